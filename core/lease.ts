/**
 * How long a worker is believed. A session lives by its lease, each task by its deadline, and what happened to a task
 * whose session died is decided here: begun means a crash, not begun means nothing.
 */
import type { Seq } from "./ids.ts";
import type { LaneMode } from "./lanes.ts";
import type { Limited } from "./limits.ts";

/** A task in a session's hands. */
export interface HeldClaim extends Limited {
  readonly seq: Seq;
  readonly attempt: number;
  readonly timeoutMs: number;
  /** The turn whose answer handed it out. */
  readonly turn: number;
  /** Unix ms; null: handed ahead of the slots, not begun. */
  startedAt: number | null;
  /** JSON text of a Progress, as last told. No reason to write the session's row: it is stored when that is written. */
  progress: string | null;
  /** When its cancellation was asked for (Unix ms); null: it was not. */
  cancelAt: number | null;
}

/** What a worker gets beyond timeoutMs to report the timeout itself. */
export const DEADLINE_GRACE_MS = 5_000;
/** How long a cancelled handler may take to notice; the shard gives it no longer either. */
export const CANCEL_GRACE_MS = 10_000;
/** A Cloudflare consumer, alarm or cron lives 15 minutes; two are kept in reserve. */
export const SESSION_MAX_MS = 13 * 60_000;
/** The longest that a consumer may run one task. */
export const MAX_CONSUMER_TIMEOUT_MS = 600_000;
/** A session this old is handed nothing more: the longest task would outlive the invocation. */
export const SESSION_CLAIM_MS = SESSION_MAX_MS - MAX_CONSUMER_TIMEOUT_MS - DEADLINE_GRACE_MS;
/** A crash in company only raises suspicion; after this many the task runs alone. */
export const COMPANY_CRASHES_TO_SOLO = 2;
/** Crashes while alone that condemn a task. */
export const SOLO_CRASHES_TO_POISON = 3;

/** When a claim is ended without its worker's word (Unix ms); null where it has not begun and nobody cancelled it. */
export function deadlineOf(claim: Pick<HeldClaim, "startedAt" | "timeoutMs" | "cancelAt">): number | null {
  if (claim.cancelAt !== null) return claim.cancelAt + CANCEL_GRACE_MS;
  return claim.startedAt === null ? null : claim.startedAt + claim.timeoutMs + DEADLINE_GRACE_MS;
}

export interface CrashHistory {
  /** Crashes before this one, all kinds. */
  readonly crashes: number;
  /** Of those, while it ran alone. */
  readonly soloCrashes: number;
}

export type CrashVerdict =
  | { readonly kind: "again"; readonly crashes: number; readonly soloCrashes: number; readonly mode: LaneMode }
  | {
      readonly kind: "end";
      readonly code: "crashed" | "poisoned";
      readonly crashes: number;
      readonly soloCrashes: number;
    };

/**
 * What a crash means for the task: only crashes while alone condemn (three: `poisoned`), `maxCrashes` of any kind end
 * it (`crashed`), and so does the first where the task asked for at most once.
 */
export function judgeCrash(
  before: CrashHistory,
  alone: boolean,
  policy: { readonly maxCrashes: number; readonly onCrash: "retry" | "fail" },
): CrashVerdict {
  const crashes = before.crashes + 1;
  const soloCrashes = before.soloCrashes + (alone ? 1 : 0);
  if (policy.onCrash === "fail") return { kind: "end", code: "crashed", crashes, soloCrashes };
  if (soloCrashes >= SOLO_CRASHES_TO_POISON) return { kind: "end", code: "poisoned", crashes, soloCrashes };
  if (crashes >= policy.maxCrashes) return { kind: "end", code: "crashed", crashes, soloCrashes };
  const mode = crashes - soloCrashes >= COMPANY_CRASHES_TO_SOLO ? "solo" : "normal";
  return { kind: "again", crashes, soloCrashes, mode };
}
