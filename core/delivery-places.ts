/**
 * Who may have one of the few places in which deliveries are under way. Must stay true: those who have not shown that
 * they answer never have all of them, and a place is nobody's for more than {@link SLOW_MS} that another waits for and
 * whose holder was not known as slow.
 */

/** Lately a receiver answered quickly; or was slow, or did not answer; or nothing is known of it. */
export type Standing = "good" | "new" | "slow";

/** Whoever has not answered within so long (ms) is slow. */
export const SLOW_MS = 2_000;

/** Two of the six connections that an invocation may have waiting for headers are left to tickets and dead letters. */
export const MOST_AT_ONCE = 4;
/** One is left to others, whoever comes first. */
const MOST_OF_ONE = 3;
/** One is kept for those that are good. */
const MOST_NOT_GOOD = 3;
const MOST_OF_SLOW = 2;

export interface TakenPlaces {
  /** By the receiver itself. */
  readonly own: number;
  readonly all: number;
  /** By those that are new; and by those that are slow. */
  readonly new: number;
  readonly slow: number;
}

/** How many more places a receiver may have now. @param slowWait whether slow ones wait, of which one has a place */
export function placesFor(standing: Standing, taken: TakenPlaces, slowWait: boolean): number {
  const free = MOST_AT_ONCE - taken.all;
  if (standing === "good") return Math.max(0, Math.min(free, MOST_OF_ONE - taken.own));
  const most = standing === "slow" ? MOST_OF_SLOW : slowWait ? MOST_NOT_GOOD - 1 : MOST_NOT_GOOD;
  const hasPlace = taken.own === 0 && free > 0 && taken.new + taken.slow < MOST_NOT_GOOD && taken[standing] < most;
  return hasPlace ? 1 : 0;
}
