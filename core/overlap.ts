/**
 * What becomes of a fire that is due while an earlier one of its schedule has not ended. Pure: the Directory knows which
 * have not, and asks here.
 */
export const OVERLAP_POLICIES = ["allow", "skip", "queue-one", "cancel-running"] as const;
/**
 * allow: it fires all the same. skip: it does not. queue-one: it waits for the earlier one's end, and a later one takes
 * its place. cancel-running: it fires, and the earlier one is cancelled.
 */
export type OverlapPolicy = (typeof OVERLAP_POLICIES)[number];

export interface Planned {
  /** To be submitted, unless something that runs is in the way. */
  readonly go: readonly number[];
  /** It waits for the one that goes. */
  readonly waits: number | null;
  /** They would overlap with the others of these. */
  readonly skipped: readonly number[];
}

/** Fires that are due at one moment overlap with each other. @param fires oldest first (Unix ms) */
export function planOverlap(policy: OverlapPolicy, fires: readonly number[]): Planned {
  const [first, ...later] = fires;
  const last = later.at(-1);
  if (policy === "allow" || first === undefined || last === undefined) return { go: fires, waits: null, skipped: [] };
  if (policy === "cancel-running") return { go: [last], waits: null, skipped: fires.slice(0, -1) };
  if (policy === "skip") return { go: [first], waits: null, skipped: later };
  return { go: [first], waits: last, skipped: later.slice(0, -1) };
}

/** How a fire stands: not a task yet, a task (or run) that has not ended, ended, or none and never one. */
export const FIRE_STATUSES = [
  "PENDING",
  "FIRED",
  "SUCCEEDED",
  "FAILED",
  "CANCELLED",
  "EXPIRED",
  /** Nobody knows any more how it ended. */
  "UNKNOWN",
  /** For an earlier one that had not ended. */
  "SKIPPED",
  /** Late, or refused, for too long. */
  "MISSED",
] as const;
export type FireStatus = (typeof FIRE_STATUSES)[number];
