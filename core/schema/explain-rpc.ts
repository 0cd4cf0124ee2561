/** What a shard is asked about the order in which its tasks run, and about why one does not. */
import type { Explanation } from "../explain.ts";
import type { Reason } from "../explain-reasons.ts";
import type { Seq } from "../ids.ts";
import type { Answer, Versioned } from "./answer.ts";

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
}
export type NextAnswer = Answer<NextAnswerOf>;

export interface ExplainRpc {
  explain(request: Versioned & { readonly seq: Seq }): Promise<ExplainAnswer>;
  /** The tasks that are next, 1 to 100. */
  next(request: Versioned & { readonly n: number }): Promise<NextAnswer>;
}
