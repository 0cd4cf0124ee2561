/** When a webhook delivery that was not taken is tried again, and when it has failed. */

/** What a receiver has to answer, ms. */
export const DELIVERY_TIMEOUT_MS = 10_000;

const S = 1_000;
const MIN = 60 * S;
const H = 60 * MIN;
/** After the first attempt, the second …; two days in all, a weekend's outage but for its end. */
const DELAYS_MS = [5 * S, 30 * S, 2 * MIN, 10 * MIN, H, 3 * H, 8 * H, 12 * H, 24 * H] as const;
export const MAX_TRIES = DELAYS_MS.length + 1;

/**
 * How long (ms) to wait after `tries` attempts; null: that was the last.
 * @param random a draw from [0, 1): a fifth more or less, so that what failed together does not come back together
 */
export function deliveryDelay(tries: number, random: number): number | null {
  const delay = DELAYS_MS[tries - 1];
  return delay === undefined ? null : Math.round(delay * (0.8 + 0.4 * random));
}

/** 2xx. A redirect is none: it is not followed. */
export function isTaken(status: number | null): boolean {
  return status !== null && status >= 200 && status < 300;
}

/** The receiver wants nothing more. */
export const GONE = 410;
