/**
 * What crosses about workflows: what a run is asked (by the door, by shards, by the Directory), and what shards are asked
 * about nodes. Times are Unix ms, payloads and results JSON text.
 */
import type { EndCode } from "../errors.ts";
import type { QueueName, RunId, Seq, TaskId } from "../ids.ts";
import type { FinishedStatus, Status } from "../status.ts";
import type { Stop } from "../workflow/decide.ts";
import type { Answer, Versioned } from "./answer.ts";
import type { TaskOptions } from "./rpc.ts";

/** What a task is a part of: whoever it is is told of its end. */
export type PartOf =
  | { readonly run: RunId; readonly node: string }
  | { readonly schedule: string; readonly fireAt: number };

/** The largest result (bytes of JSON text) that goes with the word of an end; others are read when they are needed. */
export const MAX_TOLD_RESULT = 64 * 1024;

interface End {
  readonly status: FinishedStatus;
  readonly endedAt: number;
  readonly error: { readonly code: EndCode; readonly message: string } | null;
}
/** That a node's task has ended. */
export interface NodeEnd extends End {
  readonly node: string;
  readonly task: TaskId;
  /** SUCCEEDED only; null: it is larger than what is told. */
  readonly result: string | null;
  /** JSON text of what the handler spawned (a list of `SpawnedTask`). */
  readonly spawned?: string;
}
/** That what a schedule's fire made has ended: a task, or a run. */
export interface FireEnd extends End {
  readonly schedule: string;
  readonly fireAt: number;
  readonly made: TaskId | RunId;
}

// ---------------------------------------------------------------------------------------------- what a run is

export type ParentPolicy = "fail" | "continue" | "skip";

/** A task that a node will be: as a submission, but that its payload may refer to other nodes. */
export interface NodeTask {
  readonly queue: QueueName;
  readonly shard: number;
  readonly type: string;
  readonly version: number;
  readonly priority: number;
  readonly payload: string;
  /** The payload refers to something, so it is checked by its type when that is known. */
  readonly refers: boolean;
  /** From its release on (ms); null: at once. */
  readonly delayMs: number | null;
  /** Not before. */
  readonly runAt: number | null;
  /** From its release on (ms) by which it must have begun; null: whenever that is. */
  readonly ttlMs: number | null;
  /** JSON text of {@link TaskOptions}. */
  readonly options: string | null;
  readonly limitKey?: string;
  readonly fairnessKey?: string;
}

/** How a join's result is made of its parents', null for one that did not succeed: in order, by their keys, or the only one's. */
export type JoinResult = "list" | "object" | "only";

interface NodeBase {
  readonly key: string;
  /** Indexes of nodes that come before. */
  readonly parents: readonly number[];
  readonly onParentFailure: ParentPolicy;
}
export type NodeDefinition = NodeBase &
  (
    | { readonly kind: "task"; readonly task: NodeTask; readonly compensate?: NodeTask }
    | { readonly kind: "signal"; readonly signal: string; readonly timeoutMs: number | null }
    /** `over`: JSON text of a list, or of a reference to one. `compensate`: of each of its tasks. */
    | { readonly kind: "map"; readonly over: string; readonly task: NodeTask; readonly compensate?: NodeTask }
    /**
     * `was`: a map, whose tasks it joins. `given`: how many of its parents, the first ones, its result is made of; absent:
     * all. The others it only waits for: its parents spawned them.
     */
    | { readonly kind: "join"; readonly of: JoinResult; readonly was?: "map"; readonly given?: number }
  );
export type NodeKind = NodeDefinition["kind"];

export interface FinishTask {
  readonly task: NodeTask;
  /** null: however it ends. */
  readonly on: readonly RunEnd[] | null;
}

export interface RunDefinition {
  readonly name: string | null;
  /** In topological order. */
  readonly nodes: readonly NodeDefinition[];
  readonly onFinish: FinishTask | null;
  /** How long it may take (ms), compensations aside; null: as long as it takes. */
  readonly timeoutMs: number | null;
  /** How long the run is kept once it has ended (ms). */
  readonly keepMs: number;
  /** The fire of a schedule that it is. */
  readonly fire?: Extract<PartOf, { schedule: string }>;
}

export type RunEnd = "SUCCEEDED" | "FAILED" | "CANCELLED";
export type RunStatus = "RUNNING" | RunEnd;

export interface NodeRecord {
  readonly key: string;
  readonly kind: NodeKind;
  readonly parents: readonly number[];
  readonly onParentFailure: ParentPolicy;
  /** BLOCKED: it waits for parents, or for its signal. QUEUED: it may run, and its task says more. */
  readonly status: Status;
  readonly task: TaskId | null;
  readonly endedAt: number | null;
  readonly error: { readonly code: EndCode; readonly message: string } | null;
  /** Why it is not where it should be by now: `queue-full: …`. */
  readonly heldBy: string | null;
  /** Which signal it waits for, and until when. */
  readonly signal?: string;
  readonly timeoutAt?: number | null;
  /** It undoes that node. */
  readonly compensates?: string;
  /** Its earlier tasks, the first one first: it was retried. */
  readonly retried: readonly TaskId[];
}

export interface RunRecord {
  readonly id: RunId;
  readonly name: string | null;
  readonly status: RunStatus;
  readonly createdAt: number;
  readonly endedAt: number | null;
  /** Unix ms by which it is stopped; null: never. */
  readonly timeoutAt: number | null;
  /** Why nothing of it begins any more. */
  readonly stop: Stop | null;
  /** How often it was taken up again after it had ended. */
  readonly retries: number;
  /** By status. */
  readonly counts: Readonly<Partial<Record<Status, number>>>;
  readonly total: number;
  /** Keys of nodes that failed by themselves, the first 100. */
  readonly failed: readonly string[];
  /** Why it does not go on: `onFinish: queue-full: …`; null: nothing keeps it but its nodes. */
  readonly heldBy: string | null;
  readonly compensation: "none" | "running" | "done" | "failed";
  readonly finishTask: TaskId | null;
  /** Why it has none though it was to have one. */
  readonly finishProblem: string | null;
}

// ---------------------------------------------------------------------------------------------- what a run is asked

export interface CreateRunRequest extends Versioned {
  readonly definition: RunDefinition;
  /** Of the body, where it came under a key that the run's id is made of; null: the id is new. */
  readonly fingerprint: string | null;
}

export interface NodeDetail {
  readonly nodes: readonly NodeRecord[];
  /** Which of them. */
  readonly index: number;
  /** As it was sent, with its references; null: it has none. */
  readonly task: NodeTask | null;
  /** Of a map: JSON text of what it goes over. */
  readonly over: string | null;
  /** JSON text of what it gives; null: nothing. */
  readonly result: string | null;
  /** It SUCCEEDED, and why its result can't be told: kept no longer, or too large. */
  readonly noResult: string | null;
}

export type RunAnswer = Answer<{ readonly run: RunRecord }>;

export interface WorkflowRpc {
  /** Refused: `idempotency-key-reused`. `replayed`: it was there, made by the same body. */
  create(request: CreateRunRequest): Promise<Answer<{ readonly run: RunRecord; readonly replayed: boolean }>>;
  /** Refused: `workflow-unknown`. With `waitMs` when it has ended, or after that. */
  read(
    request: Versioned & { readonly nodes: boolean; readonly waitMs?: number },
  ): Promise<Answer<{ readonly run: RunRecord; readonly nodes: readonly NodeRecord[] | null }>>;
  /** Refused: `workflow-unknown`, `node-unknown`, or as a read of the result is. */
  readNode(request: Versioned & { readonly key: string }): Promise<Answer<NodeDetail>>;
  /** Written down; an end that is known, or of a task that is not the node's, changes nothing. Refused: `workflow-unknown`. */
  ended(request: Versioned & { readonly ends: readonly NodeEnd[] }): Promise<Answer<object>>;
  /** Refused: `workflow-unknown`, `workflow-finished`, `signal-unknown`, `signal-taken`. */
  signal(request: Versioned & { readonly name: string; readonly payload: string }): Promise<RunAnswer>;
  /** What waits is cancelled, what runs is asked to stop. Refused: `workflow-unknown`, `workflow-finished`. Safe to repeat. */
  cancel(request: Versioned): Promise<RunAnswer>;
  /**
   * Refused: `workflow-unknown`, `workflow-finished` and `workflow-running` (it was undone, or is being stopped),
   * `node-unknown`, `node-not-failed`, `task-deleted`.
   * @param keys null: all that failed
   */
  retry(request: Versioned & { readonly keys: readonly string[] | null }): Promise<RunAnswer>;
  /** The data of a node's finished task is deleted. Refused: `workflow-unknown`. Safe to repeat. */
  eraseNode(request: Versioned & { readonly key: string; readonly task: TaskId }): Promise<Answer<object>>;
  /** Forgets everything of a run that has ended. Refused: `workflow-unknown`, `workflow-running`, `history-unavailable`. */
  erase(request: Versioned): Promise<Answer<object>>;
}

// ---------------------------------------------------------------------------------------------- what a shard is asked

export interface ReleaseRequest extends Versioned {
  readonly nodes: readonly ReleasedNode[];
}
export interface ReleasedNode {
  readonly seq: Seq;
  /** null: it has the one that counts. */
  readonly payload: string | null;
  /** null: at once. */
  readonly runAt: number | null;
  readonly expiresAt: number | null;
}
export interface EndNodesRequest extends Versioned {
  readonly nodes: readonly {
    readonly seq: Seq;
    readonly status: "FAILED" | "CANCELLED";
    readonly code: EndCode;
    readonly message: string;
  }[];
}
export interface NodesRpc {
  /** BLOCKED tasks may run now; any other is as it is. Safe to repeat. */
  release(request: ReleaseRequest): Promise<Answer<object>>;
  /**
   * Tasks that are BLOCKED end so, without a run; others that wait are CANCELLED, those that run asked to stop. Safe to
   * repeat.
   */
  endNodes(request: EndNodesRequest): Promise<Answer<object>>;
}

/** What the Directory is told of fires. */
export interface FiresRpc {
  fireEnded(request: Versioned & { readonly ends: readonly FireEnd[] }): Promise<Answer<object>>;
}

/** How a task's options carry what it is a part of. */
export type TaskPart = Pick<TaskOptions, "partOf">;
