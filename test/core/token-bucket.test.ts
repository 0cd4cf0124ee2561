/** Token buckets, against the times at which tokens were taken. */
import { describe, expect, it } from "vitest";
import { type Level, levelFrom, nextTokenAt, type Rate, takeToken, tokensIn } from "../../core/token-bucket.ts";
import { Random } from "../simulation/random.ts";

const START = Date.UTC(2026, 0, 1);

describe("242 a token bucket", () => {
  it("over any period gives at most limit and burst; greedily asked, no less than limit in the long run", () => {
    for (let seed = 0; seed < 100; seed++) {
      const random = new Random(seed, "bucket");
      const rate: Rate = {
        limit: random.between(1, 2_000),
        periodMs: random.pick([100, 333, 1_000, 60_000]),
        burst: random.between(1, 30),
      };
      let level: Level | undefined;
      let now = START;
      const taken: number[] = [];
      const isGreedy = random.chance(0.3);
      while (taken.length < 500) {
        const tokens = tokensIn(level, rate, now);
        const next = nextTokenAt(level, rate, now);
        expect(next > now).toBe(tokens === 0);
        if (tokens === 0) {
          expect([tokensIn(level, rate, next - 1), tokensIn(level, rate, next) > 0]).toEqual([0, true]);
          now = isGreedy || random.chance(0.7) ? next : next + random.between(0, 3 * rate.periodMs);
          continue;
        }
        level = takeToken(level, rate, now);
        taken.push(now);
        if (!isGreedy && random.chance(0.2)) now += random.between(0, rate.periodMs);
      }
      for (let last = 0, first = 0; last < taken.length; last++) {
        while ((taken[first] ?? 0) < (taken[last] ?? 0) - rate.periodMs) first++;
        expect(last - first + 1).toBeLessThanOrEqual(rate.limit + rate.burst);
      }
      const passed = (taken.at(-1) ?? START) - START;
      if (isGreedy && rate.limit <= rate.periodMs)
        expect(taken.length).toBeGreaterThanOrEqual(Math.floor((passed * rate.limit) / rate.periodMs / 1.6));
    }
  });

  it("is full at `fullAt`, not before", () => {
    const rate: Rate = { limit: 3, periodMs: 1_000, burst: 4 };
    let level: Level | undefined;
    for (let i = 0; i < 4; i++) level = takeToken(level, rate, START);
    const fullAt = level?.fullAt ?? 0;
    expect([fullAt - START, tokensIn(level, rate, fullAt - 1), tokensIn(level, rate, fullAt)]).toEqual([1_334, 3, 4]);
  });

  it("holds no more than a lowered burst, whatever lay in it", () => {
    const level = takeToken(undefined, { limit: 10, periodMs: 1_000, burst: 50 }, START);
    expect(tokensIn(level, { limit: 10, periodMs: 1_000, burst: 2 }, START)).toBe(2);
  });

  it("fills from now on where the clock steps back an hour", () => {
    const rate: Rate = { limit: 1, periodMs: 1_000, burst: 1 };
    const now = START - 3_600_000;
    const level = levelFrom(takeToken(undefined, rate, START), now);
    expect([tokensIn(level, rate, now), nextTokenAt(level, rate, now), level.fullAt]).toEqual([
      0,
      now + 1_000,
      now + 1_000,
    ]);
  });
});
