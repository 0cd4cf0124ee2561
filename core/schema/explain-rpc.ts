/** What a shard is asked about the order in which its tasks run, and about why one does not. */
import type { Explanation, WaitingExplanation } from "../explain.ts";
import type { Among, Reason } from "../explain-reasons.ts";
import type { Seq, TaskId } from "../ids.ts";
import type { Status } from "../status.ts";
import type { Answer, Versioned } from "./answer.ts";
import type { PackedSubmitRequest, RefusedTask } from "./rpc.ts";

/** null where the shard does not hold the task (any more). */
export type ExplainAnswer = Answer<{ readonly explanation: Explanation | null }>;

export interface NextTask {
  readonly seq: Seq;
  readonly type: string;
  readonly priority: number;
  /** As its age raises it; else the same. */
  readonly rank: number;
  /** Unix ms. */
  readonly createdAt: number;
  readonly limitKey: string | null;
  readonly fairnessKey: string | null;
}

export interface HeldBack {
  readonly reason: Reason;
  readonly count: number;
}

export interface NextAnswerOf {
  /** In the order in which they start, as limits stand. */
  readonly tasks: readonly NextTask[];
  /** How many of these may start now, as far as the queue as a whole decides it. */
  readonly mayStart: number;
  /** What holds the queue back as a whole, and what some of its tasks, the most first; each counts those it holds back. */
  readonly heldBack: readonly HeldBack[];
  /** Tasks that other limits hold back, beyond the many that are told. */
  readonly heldByOthers: number;
  /** QUEUED in all. */
  readonly queued: number;
  /** SCHEDULED and RETRYING, and when the first of them is due (Unix ms). */
  readonly notDue: number;
  readonly nextDueAt: number | null;
  /** Nodes of workflows that wait for others. Absent: an older shard's answer. */
  readonly blocked?: number;
}
export type NextAnswer = Answer<NextAnswerOf>;

/** What would become of a task if it were submitted now. */
export type TriedTask =
  | {
      readonly accepted: true;
      /** null: it is a duplicate of one that has left the shard. */
      readonly status: Status | null;
      /** The task that it would be answered with. */
      readonly duplicateOf?: Seq;
      /** That is a task of the same request, by its index, and has no id yet; then `duplicateOf` is left out. */
      readonly duplicateOfIndex?: number;
      /** That task would become what was sent. */
      readonly replaces?: true;
      /** It would end at once by that task's result. */
      readonly source?: TaskId;
      /** How many would start before it, of those that `among` says; null: it is not due, or the effort was spent. */
      readonly ahead: number | null;
      /** Where its limits do not let it start now: of those that wait for the same. Absent: of all. */
      readonly among?: Among;
      /** There are more; counting ended at `ahead`. */
      readonly more?: true;
      /** Of a task that would be made; null: the effort was spent on tasks before it. */
      readonly explanation?: WaitingExplanation | null;
    }
  | {
      readonly accepted: false;
      readonly refusal: Omit<RefusedTask, "index">;
      /** The task of the same request that is in the way, by its index. */
      readonly duplicateOfIndex?: number;
    };

export type TryAnswer = Answer<{
  readonly tasks: readonly TriedTask[];
  /** The Idempotency-Key is known: this is what it was answered. */
  readonly replayed: boolean;
  /** Of the one task that would be made, for doors that look for it here; null where there are several, or none would. */
  readonly explanation: WaitingExplanation | null;
}>;

/** `makesQueue`: the queue is not there, and its first submission would make it. */
export type TryRequest = PackedSubmitRequest & { readonly makesQueue?: boolean };

export interface ExplainRpc {
  /** As `submit`, and nothing is written. What of a batch is all or nothing is refused as a whole. */
  trySubmit(request: TryRequest): Promise<TryAnswer>;
  explain(request: Versioned & { readonly seq: Seq }): Promise<ExplainAnswer>;
  /** The tasks that are next, 1 to 100. */
  next(request: Versioned & { readonly n: number }): Promise<NextAnswer>;
}
