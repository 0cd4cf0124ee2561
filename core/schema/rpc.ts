/** What a queue shard is asked, and what it answers: by the door, by consumers, by the Directory. */
import type { ErrorCode } from "../errors.ts";
import type { Seq, TaskId } from "../ids.ts";
import type { RetryPolicy } from "../retry.ts";
import type { Status, WaitingStatus } from "../status.ts";
import type { TaskRecord } from "../task.ts";
import type { Answer, DrainAnswer, Idempotency, Versioned } from "./answer.ts";
import type { BulkRpc } from "./bulk-rpc.ts";
import type { CachePlace, CacheRpc, CacheUse } from "./cache-rpc.ts";
import type { Callback } from "./callback.ts";
import type { DeadLettersRpc } from "./dead-letters-rpc.ts";
import type { EraseRpc } from "./erase-rpc.ts";
import type { ExplainRpc } from "./explain-rpc.ts";
import type { QueueSettings } from "./queue-settings.ts";
import type { SessionRpc } from "./session-rpc.ts";
import type { CacheMode, Unique } from "./submission.ts";
import type { WatchRpc } from "./watch-rpc.ts";
import type { DeliveriesRpc } from "./webhooks-rpc.ts";
import type { NodesRpc, PartOf } from "./workflow-rpc.ts";

/** What a task was told beyond its columns. Absent: the queue's setting at the time that it is needed. */
export interface TaskOptions {
  readonly timeoutMs?: number;
  readonly retry?: Partial<RetryPolicy>;
  readonly maxCrashes?: number;
  readonly onCrash?: "retry" | "fail";
  readonly tags?: readonly string[];
  readonly resultTtlSeconds?: number;
  /** false: history is not given it. */
  readonly keepPayload?: boolean;
  /** Where its result is kept for equal tasks. Written by the shard, of {@link NewTask.cache}. */
  readonly cache?: CachePlace;
  /** Who is told of its end. */
  readonly callback?: Callback;
  /** What it is alone by, and for how long; what comes later under the key tells its own `onConflict`. */
  readonly unique?: Pick<Unique, "by" | "within" | "windowSeconds">;
  readonly debounceSeconds?: number;
  readonly throttleSeconds?: number;
  /** As it was told. */
  readonly cacheMode?: CacheMode;
  /** Its key, where that is made of its payload and goes with it. Written by the shard, of {@link NewTask.dedup}. */
  readonly payloadKey?: string;
  /** The run or schedule that is told of its end. Never told by a caller. */
  readonly partOf?: PartOf;
  /** Never told by a caller: as {@link TaskLinks} has them. */
  readonly replayOf?: TaskId;
  readonly replayedBy?: readonly TaskId[];
}

export interface NewTask {
  readonly type: string;
  readonly version: number;
  readonly priority: number;
  /** JSON text, checked at the door. */
  readonly payload: string;
  /** Unix ms; null: at once. */
  readonly runAt: number | null;
  /** Unix ms by which it must have begun; absent: whenever that is. */
  readonly expiresAt?: number;
  /** JSON text of {@link TaskOptions}; null where nothing was told. Text, so that equal ones compare as one value. */
  readonly options: string | null;
  /** Its tasks count together against `keyLimits`. */
  readonly limitKey?: string;
  /** Its tasks share the queue's time with those of other keys. */
  readonly fairnessKey?: string;
  /** Its type's results are kept for equal tasks; absent: this one has nothing to do with that. */
  readonly cache?: CacheUse;
  /** It waits, BLOCKED, until it is released. */
  readonly blocked?: true;
  /** It is taken though the queue is full, or drains: tasks that are in it wait for this one. */
  readonly isAwaited?: true;
  /** A submission under a key that the shard has seen within its life is answered with the first one's task. */
  readonly dedup?: Dedup;
}

/** How long the task that a submission makes has its key, and what becomes of submissions under it meanwhile. */
export interface Dedup {
  readonly key: string;
  /** From its submission on; it says nothing where the task has its key for as long as it waits or runs. */
  readonly ttlMs: number;
  /** Absent: `window`. */
  readonly within?: Within;
  /** Absent: `return`. It is the later submission's word that counts. */
  readonly onConflict?: OnConflict;
  /** The key is made of the task's payload: with another payload it is that task's no more. */
  readonly ofPayload?: true;
}
/** return: the first task is told. reject: 409. replace: the task becomes what is sent now, while it waits; else 409. */
export type OnConflict = "return" | "reject" | "replace";
/** queued: while the task waits. running: until it has ended. window: for `ttlMs`, whatever becomes of it. */
export type Within = "queued" | "running" | "window";

export interface SubmitRequest extends Versioned {
  readonly settingsVersion: number;
  /** By which the tasks were placed: which making of the queue they were meant for. Absent: not asked. */
  readonly generation?: number;
  /** Sent when the shard answered `settings-needed`. */
  readonly settings?: QueueSettings;
  /** true: all or none. false: each for itself, refusals by index. */
  readonly atomic: boolean;
  readonly tasks: readonly NewTask[];
  /** `ttlMs`: how long it is remembered; absent: as long as a caller's. */
  readonly idempotency?: Idempotency & { readonly ttlMs?: number };
  /** The finished task of this shard that the one task of the request repeats, as its reader found it: it is told by whom. */
  readonly repeats?: TaskRecord;
}

/** Neighbours that differ in their payload alone; `core/pack-tasks.ts` makes and undoes it. */
export interface TaskRun extends Omit<NewTask, "payload" | "dedup" | "cache"> {
  readonly payloads: readonly string[];
}
export type PackedTask = NewTask | TaskRun;

/** A submission as it travels. */
export interface PackedSubmitRequest extends Omit<SubmitRequest, "tasks"> {
  readonly tasks: readonly PackedTask[];
}

export type SubmitAnswer = Answer<{
  /** Unix ms. */
  readonly createdAt: number;
  /** One for each task, in order; null where refused (never with `atomic`). */
  readonly seqs: readonly (Seq | null)[];
  /** Indexes of those whose key was known: `seqs` has the first one's. */
  readonly duplicates: readonly number[];
  /** Tasks that are told otherwise than they were sent: duplicates, and all tasks of a replay. Status null: not here. */
  readonly known?: readonly KnownTask[];
  /** This is the answer that the Idempotency-Key got before, and nothing was made. */
  readonly replayed?: boolean;
  readonly refused: readonly RefusedTask[];
}>;

export interface KnownTask {
  readonly index: number;
  readonly status: Status | null;
  /** Unix ms. */
  readonly createdAt: number;
  /** It has ended by the result of that task, which was kept. */
  readonly source?: TaskId;
  /** A duplicate that became what was sent. */
  readonly replaced?: true;
}

export interface RefusedTask {
  readonly index: number;
  readonly code: ErrorCode;
  readonly detail: string;
  /** The task that has the key, with `duplicate-task`. */
  readonly taskId?: TaskId;
}

export interface ReadRequest extends Versioned {
  readonly seqs: readonly Seq[];
  /** false: payload and result come as JSON null and null. 100 of them whole may be more than RPC carries. */
  readonly texts?: boolean;
}
export type ReadAnswer = Answer<{ readonly tasks: readonly (TaskRecord | null)[] }>;

export interface FirstSeqRequest extends Versioned {
  /** Which making of the queue is meant. */
  readonly generation: number;
}
/** Tasks with a lower seq are of a making before; null: the shard has not heard of that making, and has nothing of it. */
export type FirstSeqAnswer = Answer<{ readonly first: number | null }>;

/** What is to be different of a task that waits; absent: stays. */
export interface TaskChanges {
  readonly priority?: number;
  /** Unix ms; null, or what has passed: at once. */
  readonly runAt?: number | null;
  /** JSON text, checked at the door by the type in that version. */
  readonly payload?: { readonly text: string; readonly version: number };
}
export interface ChangeRequest extends Versioned {
  readonly seq: Seq;
  /** Refused as `rev-mismatch` where the task has another revision; null: whichever it has. */
  readonly rev: number | null;
  readonly changes: TaskChanges;
}

/** One task, as it is after what was asked for; null where the shard does not hold it (any more). */
export type TaskAnswer = Answer<{ readonly task: TaskRecord | null }>;

export interface ShardSummary {
  readonly settingsVersion: number;
  /** Unfinished tasks. */
  readonly depth: number;
  readonly queued: number;
  readonly scheduled: number;
  /** Nodes of workflows that wait for others. Absent: an older shard's answer, which has none. */
  readonly blocked?: number;
  readonly running: number;
  readonly deadLetters: number;
  readonly sessions: number;
  readonly outboxRows: number;
  readonly outboxBytes: number;
  /** Finished tasks that D1 does not take: the shard keeps them. */
  readonly refusedRows: number;
  /** Webhook deliveries that are still to be sent. Absent: an older shard's answer, which has none. */
  readonly pendingDeliveries?: number;
  /** Unix ms since when the task waits that has waited longest: its submission, or when it came due. null: none waits. */
  readonly oldestQueuedAt: number | null;
  /** Of `queued`: what waits for a worker alone, no limit and no limitKey, and since when the oldest of it waits. */
  readonly ready?: number;
  readonly oldestReadyAt?: number | null;
}

export interface BatchRequest extends Versioned {
  readonly first: Seq;
  readonly count: number;
  readonly waitMs?: number;
}
export type BatchAnswer = Answer<{ readonly counts: Readonly<Record<string, number>> }>;

export interface PurgeRequest extends Versioned {
  readonly statuses: readonly WaitingStatus[];
  /** Where the last answer ended; absent in the first call. */
  readonly after?: number;
  readonly upTo?: number;
}
export type PurgeAnswer = Answer<{
  readonly purged: number;
  readonly after: number;
  readonly upTo: number;
  /** Whether there may be more between the two. */
  readonly more: boolean;
}>;

/** A queue shard, as others call it. One method an operation; durable-objects/queue-shard/ has a file for each. */
export interface ShardRpc
  extends DeadLettersRpc,
    DeliveriesRpc,
    BulkRpc,
    ExplainRpc,
    WatchRpc,
    CacheRpc,
    EraseRpc,
    NodesRpc,
    SessionRpc {
  submit(request: PackedSubmitRequest): Promise<SubmitAnswer>;
  /** At most 100 seqs; null for those that the shard does not hold (any more). */
  read(request: ReadRequest): Promise<ReadAnswer>;
  firstSeq(request: FirstSeqRequest): Promise<FirstSeqAnswer>;
  /** Answers when the task has ended, or after `waitMs` with what it is then. */
  wait(request: Versioned & { readonly seq: Seq; readonly waitMs: number }): Promise<ReadAnswer>;
  /** Counts of a batch by status, of those that the shard still holds; with `waitMs` when all have ended, or after it. */
  batch(request: BatchRequest): Promise<BatchAnswer>;
  /**
   * A waiting task is CANCELLED at once, a RUNNING one is asked to stop (`cancelRequested`), a finished one stays as it
   * is. Safe to repeat but with a `rev`, which the task must have: else `rev-mismatch`.
   */
  cancel(request: Versioned & { readonly seq: Seq; readonly rev?: number | null }): Promise<TaskAnswer>;
  /** Waiting tasks are CANCELLED, a portion a call. */
  purge(request: PurgeRequest): Promise<PurgeAnswer>;
  /** A task that runs is `task-running`, a BLOCKED one's payload or time `task-blocked`, one that has ended is given as it is. */
  change(request: ChangeRequest): Promise<TaskAnswer>;
  configure(request: Versioned & { readonly settings: QueueSettings }): Promise<Answer<object>>;
  summary(request: Versioned): Promise<Answer<{ readonly summary: ShardSummary }>>;
  /** Local shutdown: sessions get `stop`. */
  drain(request: Versioned): Promise<DrainAnswer>;
  /** Does what is due; the tick calls it at a local start. */
  wake(request: Versioned): Promise<Answer<object>>;
}
