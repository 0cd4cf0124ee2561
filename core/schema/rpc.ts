/** What a queue shard is asked, and what it answers: by the door, by consumers, by the Directory. */
import type { AttemptError, ErrorCode } from "../errors.ts";
import type { Seq, TaskId } from "../ids.ts";
import type { RetryPolicy } from "../retry.ts";
import type { Status, WaitingStatus } from "../status.ts";
import type { TaskRecord } from "../task.ts";
import type { Answer, DrainAnswer, Versioned } from "./answer.ts";
import type { BulkRpc } from "./bulk-rpc.ts";
import type { CachePlace, CacheRpc, CacheUse } from "./cache-rpc.ts";
import type { Callback } from "./callback.ts";
import type { DeadLettersRpc } from "./dead-letters-rpc.ts";
import type { EraseRpc } from "./erase-rpc.ts";
import type { ExplainRpc } from "./explain-rpc.ts";
import type { QueueSettings } from "./queue-settings.ts";
import type { WatchRpc } from "./watch-rpc.ts";
import type { DeliveriesRpc } from "./webhooks-rpc.ts";

// ---------------------------------------------------------------------------------------------- submit

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
  /** A submission under a key that the shard has seen within its life is answered with the first one's task. */
  readonly dedup?: Dedup;
}

/** How long the task that a submission makes has its key, and what becomes of submissions under it meanwhile. */
export interface Dedup {
  readonly key: string;
  /** From its submission on; where `within` says otherwise, when its shard first looks whether the key is still needed. */
  readonly ttlMs: number;
  /** Absent: `window`. */
  readonly within?: Within;
  /** Absent: `return`. It is the later submission's word that counts. */
  readonly onConflict?: OnConflict;
}
/** return: the first task is told. reject: 409. replace: the task becomes what is sent now, while it waits; else 409. */
export type OnConflict = "return" | "reject" | "replace";
/** queued: while the task waits. running: until it has ended. window: for `ttlMs`, whatever becomes of it. */
export type Within = "queued" | "running" | "window";

/** The same key and fingerprint again are answered what the first were; another fingerprint is refused. */
export interface Idempotency {
  /** The caller's Idempotency-Key. */
  readonly key: string;
  /** Of the body that came with it. */
  readonly fingerprint: string;
}

export interface SubmitRequest extends Versioned {
  readonly settingsVersion: number;
  /** Sent when the shard answered `settings-needed`. */
  readonly settings?: QueueSettings;
  /** true: all or none. false: each for itself, refusals by index. */
  readonly atomic: boolean;
  readonly tasks: readonly NewTask[];
  readonly idempotency?: Idempotency;
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
  /** This is the answer that the Idempotency-Key got the first time. */
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
}

export interface RefusedTask {
  readonly index: number;
  readonly code: ErrorCode;
  readonly detail: string;
  /** The task that has the key, with `duplicate-task`. */
  readonly taskId?: TaskId;
}

// ---------------------------------------------------------------------------------------------- sessions

/** Permission to work; carries no task. A hint: lost, late or doubled it harms nothing. */
export interface Ticket extends Versioned {
  /** Name of the shard's object. */
  readonly object: string;
  readonly ticket: string;
  /** Unix ms. */
  readonly issuedAt: number;
  readonly solo: boolean;
}

export interface Worker {
  readonly name: string;
  readonly kind: "consumer" | "pull";
  /** Each type it can run, and up to which version. */
  readonly types: Readonly<Record<string, number>>;
  /** Set by local servers alone: an earlier boot's sessions are known to be dead. */
  readonly boot: string | null;
  /** Names this one stay: to open again under it, because no answer came, is answered with the session that it has. */
  readonly stay?: string;
}

export interface OpenRequest extends Versioned {
  readonly ticket: string | null;
  readonly solo: boolean;
  readonly worker: Worker;
  /** How many tasks it would take with the answer (the first claim rides along). */
  readonly want: number;
}

/** A task handed to a session. */
export interface ClaimedTask {
  readonly seq: Seq;
  readonly type: string;
  readonly version: number;
  /** JSON text. */
  readonly payload: string;
  /** Ordinal of this attempt, 1 for the first. */
  readonly attempt: number;
  readonly timeoutMs: number;
  /** true: into a free slot, and so begun. false: ahead of the slots; the session reports when it starts. */
  readonly started: boolean;
}

export interface Handout {
  readonly tasks: readonly ClaimedTask[];
  /** Of the outcomes just told: those that did not count (no longer this session's attempt). */
  readonly lost: readonly Seq[];
  /** Tasks of this session whose cancellation was asked for. */
  readonly cancel: readonly Seq[];
  /** finish: take nothing more, end what is running, then close. drain: the same, but hand back what outlasts DRAIN_SECONDS. */
  readonly stop: "no" | "finish" | "drain";
}

export type OpenAnswer = Answer<{
  /** null: nothing to do. */
  readonly session: number | null;
  readonly slots: number;
  readonly leaseMs: number;
  readonly lingerMs: number;
  readonly handout: Handout;
}>;

interface OutcomeOf {
  readonly seq: Seq;
  readonly attempt: number;
  /**
   * The turn whose answer handed the task out (0: `open`). With session and attempt the fence: a claim that went back
   * unbegun and comes again has the same attempt. Absent (an older worker): not checked.
   */
  readonly turn?: number;
  /** Unix ms, the worker's clock. */
  readonly startedAt: number;
  readonly endedAt: number;
}
export type Outcome =
  | (OutcomeOf & { readonly kind: "succeeded" /** JSON text. */; readonly result: string })
  | (OutcomeOf & { readonly kind: "failed"; readonly error: AttemptError; readonly retryable: boolean })
  /** The handler asked for later: no attempt is spent. */
  | (OutcomeOf & { readonly kind: "snoozed"; readonly delayMs: number })
  /** Handed back: no attempt is spent; where it did not begin, whatever slot the shard meant it for, there was none. */
  | (OutcomeOf & { readonly kind: "returned"; readonly hasBegun?: boolean })
  /** It stopped, or had to, because that was asked for. */
  | (OutcomeOf & { readonly kind: "cancelled"; readonly error: AttemptError });

export interface AdvanceRequest extends Versioned {
  readonly session: number;
  /** 1, 2, 3 …; `open` was 0. The same turn again gets the same answer. */
  readonly turn: number;
  /** Every turn up to this one has been answered or given up by the session (polls overlap by one). */
  readonly answered: number;
  /**
   * Every task that the session still has to account for, outcomes of this turn excluded. A claim handed out by an
   * answered turn and not named here never arrived: it goes back to QUEUED, no attempt spent.
   */
  readonly holding: readonly Seq[];
  /** Of those: begun since the last turn. */
  readonly started: readonly Seq[];
  readonly outcomes: readonly Outcome[];
  /** JSON texts of a Progress. */
  readonly progress: readonly (readonly [Seq, string])[];
  /** How many more tasks it would take. */
  readonly want: number;
  /** How long the shard may keep the question open while it has nothing. */
  readonly waitMs: number;
  /** The `stop` that the session has heard: it is no reason to answer at once again. */
  readonly heard?: Handout["stop"];
  /** Tasks whose cancellation the session has heard of: no news. Absent (an older worker): it is told of none. */
  readonly cancelling?: readonly Seq[];
}
export type AdvanceAnswer = Answer<{ readonly handout: Handout }>;

export interface CloseRequest extends Versioned {
  readonly session: number;
  readonly turn: number;
  readonly outcomes: readonly Outcome[];
}
export type CloseAnswer = Answer<{ readonly lost: readonly Seq[] }>;

// ---------------------------------------------------------------------------------------------- reads and settings

export interface ReadRequest extends Versioned {
  readonly seqs: readonly Seq[];
  /** false: payload and result come as JSON null and null. 100 of them whole may be more than RPC carries. */
  readonly texts?: boolean;
}
export type ReadAnswer = Answer<{ readonly tasks: readonly (TaskRecord | null)[] }>;

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
export interface ShardRpc extends DeadLettersRpc, DeliveriesRpc, BulkRpc, ExplainRpc, WatchRpc, CacheRpc, EraseRpc {
  submit(request: PackedSubmitRequest): Promise<SubmitAnswer>;
  open(request: OpenRequest): Promise<OpenAnswer>;
  advance(request: AdvanceRequest): Promise<AdvanceAnswer>;
  close(request: CloseRequest): Promise<CloseAnswer>;
  /** At most 100 seqs; null for those that the shard does not hold (any more). */
  read(request: ReadRequest): Promise<ReadAnswer>;
  /** Answers when the task has ended, or after `waitMs` with what it is then. */
  wait(request: Versioned & { readonly seq: Seq; readonly waitMs: number }): Promise<ReadAnswer>;
  /** Counts of a batch by status, of those that the shard still holds; with `waitMs` when all have ended, or after it. */
  batch(request: BatchRequest): Promise<BatchAnswer>;
  /**
   * A waiting task is CANCELLED at once, a RUNNING one is asked to stop (`cancelRequested`), a finished one stays as it
   * is. Safe to repeat.
   */
  cancel(request: Versioned & { readonly seq: Seq }): Promise<TaskAnswer>;
  /** Waiting tasks are CANCELLED, a portion a call. */
  purge(request: PurgeRequest): Promise<PurgeAnswer>;
  /** A task that runs is `task-running`, one that has ended is given as it is. */
  change(request: ChangeRequest): Promise<TaskAnswer>;
  configure(request: Versioned & { readonly settings: QueueSettings }): Promise<Answer<object>>;
  summary(request: Versioned): Promise<Answer<{ readonly summary: ShardSummary }>>;
  /** Local shutdown: sessions get `stop`. */
  drain(request: Versioned): Promise<DrainAnswer>;
  /** Does what is due; the tick calls it at a local start. */
  wake(request: Versioned): Promise<Answer<object>>;
  /** A ticket that Cloudflare gave up on. */
  deadTicket(request: Versioned & { readonly ticket: Ticket }): Promise<Answer<object>>;
}
