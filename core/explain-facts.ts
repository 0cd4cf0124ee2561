/** What a shard knows about a waiting task that may tell why it waits. */
import type { Ahead } from "./count-ahead.ts";
import type { AttemptError } from "./errors.ts";
import type { Among, Share } from "./explain-reasons.ts";
import type { QueueName } from "./ids.ts";
import type { LaneMode } from "./lanes.ts";
import type { Standing } from "./limits.ts";
import type { WaitingStatus } from "./status.ts";

export interface WaitingFacts {
  /** Unix ms. */
  readonly now: number;
  readonly queue: QueueName;
  readonly task: {
    readonly status: WaitingStatus;
    readonly type: string;
    readonly version: number;
    readonly limitKey: string | null;
    readonly mode: LaneMode;
    /** Unix ms. */
    readonly runAt: number | null;
    readonly expiresAt: number | null;
    readonly spent: number;
    readonly crashes: number;
    readonly error: AttemptError | null;
  };
  readonly isPaused: boolean;
  /** Local shutdown. */
  readonly isStopping: boolean;
  /** Of its type, what workers have shown to know; Infinity: none has come yet. -1: none has the type. */
  readonly knownVersion: number;
  /** Of the queue, at this shard; null: as many as come. */
  readonly concurrency: { readonly running: number; readonly limit: number | null; readonly share?: Share | null };
  readonly standings: { readonly [Of in "queue" | "type" | "key"]: Standing | null };
  readonly isSoloBusy: boolean;
  readonly workers: WorkersFacts;
  /** What goes before it; null: it is not QUEUED. */
  readonly ahead: (Ahead & { readonly among: Among }) | null;
}

/** Those that could run it: sessions open, and what more there may be of them. */
export interface WorkersFacts {
  readonly sessions: number;
  readonly maxSessions: number;
  /** Of one session. */
  readonly slots: number;
  /** Slots of open sessions that nothing runs in. */
  readonly free: number;
  readonly tickets: number;
  /** When the oldest of the tickets was issued (Unix ms). */
  readonly calledAt: number | null;
  /** Calls in a row before these that nobody followed. */
  readonly unheeded: number;
}
