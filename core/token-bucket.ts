/**
 * Token buckets in whole numbers, so that nothing drifts: each ms brings `limit` units, a token is `periodMs` of them,
 * and a bucket holds `burst` tokens. Over any time of `periodMs` no more than `limit + burst` are taken.
 * Source: the leaky bucket as a meter (ITU-T I.371), counted in units of a token's fraction. Pure.
 */

export interface Rate {
  /** Tokens that come in each period. */
  readonly limit: number;
  readonly periodMs: number;
  /** Tokens that may lie ready. */
  readonly burst: number;
}

/** A bucket that is not full. */
export interface Level {
  /** What lay in it when the last token was taken. */
  readonly units: number;
  /** When that was (Unix ms). */
  readonly at: number;
  /** When it is full again (Unix ms): from then on it need not be remembered. */
  readonly fullAt: number;
}

/** Tokens that may be taken now; of a bucket that is not remembered, all. */
export function tokensIn(level: Level | undefined, rate: Rate, now: number): number {
  return Math.floor(unitsIn(level, rate, now) / rate.periodMs);
}

/** The level after one token was taken, whether or not there was one. */
export function takeToken(level: Level | undefined, rate: Rate, now: number): Level {
  return takeTokens(level, rate, now, 1);
}

/** The same of so many; below zero: so many are put back. */
export function takeTokens(level: Level | undefined, rate: Rate, now: number, count: number): Level {
  const full = rate.burst * rate.periodMs;
  const units = Math.min(full, Math.max(0, unitsIn(level, rate, now) - count * rate.periodMs));
  return { units, at: now, fullAt: now + Math.ceil((full - units) / rate.limit) };
}

/**
 * When there is a token again (Unix ms): now, where there is one.
 * @param nth which of those that come, if each is taken as it comes
 */
export function nextTokenAt(level: Level | undefined, rate: Rate, now: number, nth = 1): number {
  return now + Math.max(0, Math.ceil((nth * rate.periodMs - unitsIn(level, rate, now)) / rate.limit));
}

/** The same level by a clock that has stepped back: it fills from now on, or it would wait until the clock catches up. */
export function levelFrom(level: Level, now: number): Level {
  const back = Math.max(0, level.at - now);
  return back === 0 ? level : { ...level, at: now, fullAt: level.fullAt - back };
}

/** Before a level's own time nothing has come yet. */
function unitsIn(level: Level | undefined, { limit, periodMs, burst }: Rate, now: number): number {
  const full = burst * periodMs;
  return level === undefined ? full : Math.min(full, level.units + Math.max(0, now - level.at) * limit);
}
