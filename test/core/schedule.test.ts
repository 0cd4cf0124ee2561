import { describe, expect, it } from "vitest";
import {
  anchorOf,
  beginFires,
  chooseFires,
  dueFires,
  type FireRule,
  GRACE_MS,
  MAX_CAUGHT_UP,
  MAX_COUNTED,
  nextFire,
  previewFires,
  shiftFires,
  type Timing,
} from "../../core/schedule.ts";
import { chance } from "../support/node/chance.ts";

const T0 = Date.parse("2026-05-01T10:00:00.250Z");
const SECOND = 1_000;

function rule(timing: Timing, more: Partial<FireRule> = {}): FireRule {
  return { timing, startAt: null, endAt: null, anchor: anchorOf(timing, more.startAt ?? null, T0), ...more };
}
const every = (everySeconds: number, more: Partial<FireRule> = {}) => rule({ kind: "every", everySeconds }, more);
const cron = (expression: string, more: Partial<FireRule> = {}) =>
  rule({ kind: "cron", cron: expression, timezone: "UTC" }, more);
const once = (at: number) => rule({ kind: "at", at });

describe("172 when a schedule fires", () => {
  it("everySeconds counts from its making, to the millisecond, however late it is asked", () => {
    expect(beginFires(every(10), T0).nextAt).toBe(T0 + 10 * SECOND);
    expect(nextFire(every(10), T0 + 10 * SECOND)).toBe(T0 + 20 * SECOND);
    expect(nextFire(every(10), T0 + 1_234_567)).toBe(T0 + 1_240_000);
  });

  it("everySeconds with a start fires at its start, and from there", () => {
    const startAt = T0 + 3_600_000;
    expect(previewFires(every(60, { startAt }), T0, 2)).toEqual([startAt, startAt + 60 * SECOND]);
    const past = T0 - 90 * SECOND;
    expect(beginFires(every(60, { startAt: past }), T0).nextAt).toBe(past + 120 * SECOND);
  });

  it("a start holds cron back, and may itself be a fire", () => {
    const startAt = Date.parse("2026-05-03T09:00:00Z");
    expect(beginFires(cron("0 9 * * *", { startAt }), T0).nextAt).toBe(startAt);
    expect(beginFires(cron("0 9 * * *", { startAt: startAt + 1 }), T0).nextAt).toBe(startAt + 86_400_000);
  });

  it("nothing fires at its end or later", () => {
    const endAt = T0 + 20 * SECOND;
    expect(previewFires(every(10, { endAt }), T0, 5)).toEqual([T0 + 10 * SECOND]);
    expect(nextFire(every(10, { endAt: endAt + 1 }), T0 + 10 * SECOND)).toBe(endAt);
  });

  it("346 a moment fires once, in the past at once, and that is its time then, which no other fire has", () => {
    expect(beginFires(once(T0 - 5), T0).nextAt).toBe(T0);
    expect(beginFires({ ...once(T0 - 5), decided: T0 }, T0).nextAt).toBe(T0 + 1);
    expect(beginFires(once(T0 + 5), T0).nextAt).toBe(T0 + 5);
    expect(nextFire(once(T0 + 5), T0 + 5)).toBeNull();
  });

  it("E1 176 a preview is the next fires, fewer where they end", () => {
    expect(previewFires(cron("0 0 1 1 *"), T0, 3).map((at) => new Date(at).getUTCFullYear())).toEqual([
      2027, 2028, 2029,
    ]);
    expect(previewFires(once(T0 + 5), T0, 10)).toEqual([T0 + 5]);
    expect(previewFires(once(T0), T0, 10)).toEqual([]);
  });
});

describe("173 fires that are due", () => {
  it("on time there is one", () => {
    const due = dueFires(every(10), T0 + 10 * SECOND, T0 + 10 * SECOND);
    expect(due).toEqual({ count: 1, exact: true, latest: [T0 + 10 * SECOND], next: T0 + 20 * SECOND });
  });

  it("after a stop all are counted, and the latest hundred are known", () => {
    const now = T0 + 5_000 * SECOND + 1;
    const due = dueFires(every(10), T0 + 10 * SECOND, now);
    expect([due.count, due.exact, due.latest.length]).toEqual([500, true, MAX_CAUGHT_UP]);
    expect([due.latest[0], due.latest.at(-1), due.next]).toEqual([
      T0 + 4_010 * SECOND,
      T0 + 5_000 * SECOND,
      T0 + 5_010 * SECOND,
    ]);
  });

  it("cron's are the same fires that would have come one by one", () => {
    const nextAt = Date.parse("2026-05-01T10:01:00Z");
    const due = dueFires(cron("* * * * *"), nextAt, nextAt + 150 * 60_000);
    expect([due.count, due.exact, due.latest[0], due.latest.at(-1)]).toEqual([
      151,
      true,
      nextAt + 51 * 60_000,
      nextAt + 150 * 60_000,
    ]);
    expect(due.next).toBe(nextAt + 151 * 60_000);
  });

  it("beyond a thousand cron's number is not known, its latest still are", () => {
    const nextAt = Date.parse("2026-05-01T10:00:00Z");
    const now = nextAt + 7 * 86_400_000 + 500;
    const due = dueFires(cron("* * * * * *"), nextAt, now);
    expect([due.count, due.exact, due.latest.length]).toEqual([MAX_COUNTED, false, MAX_CAUGHT_UP]);
    expect([due.latest[0], due.latest.at(-1), due.next]).toEqual([now - 99_500, now - 500, now + 500]);
  });

  it("what lies behind the end is not due", () => {
    const endAt = T0 + 35 * SECOND;
    expect(dueFires(every(10, { endAt }), T0 + 10 * SECOND, T0 + 3_600 * SECOND)).toMatchObject({
      count: 3,
      next: null,
    });
    const first = Date.parse("2026-05-01T10:01:00Z");
    expect(dueFires(cron("* * * * *", { endAt: first + 60_001 }), first, first + 3_600_000)).toMatchObject({
      count: 2,
      latest: [first, first + 60_000],
      next: null,
    });
  });
});

describe("173 fires that were missed", () => {
  const late = dueFires(every(3_600), T0 + 3_600 * SECOND, T0 + 5 * 3_600 * SECOND + GRACE_MS + 1);
  const now = T0 + 5 * 3_600 * SECOND + GRACE_MS + 1;

  it("skip makes up for none, unless the latest is still on time", () => {
    expect(chooseFires("skip", late, now)).toEqual({ fires: [], missed: 5 });
    expect(chooseFires("skip", late, now - 1)).toEqual({ fires: [T0 + 5 * 3_600 * SECOND], missed: 4 });
  });

  it("once lets the latest stand for all", () => {
    expect(chooseFires("once", late, now)).toEqual({ fires: [T0 + 5 * 3_600 * SECOND], missed: 4 });
  });

  it("all makes up for each, oldest first, up to a hundred", () => {
    expect(chooseFires("all", late, now).fires).toEqual([1, 2, 3, 4, 5].map((n) => T0 + n * 3_600 * SECOND));
    expect(chooseFires("all", late, now).missed).toBe(0);
    const many = dueFires(every(1), T0 + SECOND, T0 + 250 * SECOND);
    expect(chooseFires("all", many, T0 + 250 * SECOND)).toMatchObject({ missed: 150 });
    expect(chooseFires("all", many, T0 + 250 * SECOND).fires).toHaveLength(MAX_CAUGHT_UP);
  });

  it("a fire on time is none of it, whatever the policy", () => {
    const due = dueFires(every(10), T0 + 10 * SECOND, T0 + 10 * SECOND + 40);
    for (const policy of ["skip", "once", "all"] as const)
      expect(chooseFires(policy, due, T0 + 10 * SECOND + 40)).toEqual({ fires: [T0 + 10 * SECOND], missed: 0 });
  });
});

describe("347 what is changed beside timing", () => {
  const jitter = (ms: number): FireRule["jitter"] => (ms === 0 ? undefined : { ms, schedule: "a" });
  const of = (timing: Timing, ms: number, more: Partial<FireRule> = {}): FireRule => {
    const late = jitter(ms);
    return { timing, startAt: null, endAt: null, anchor: T0, ...(late && { jitter: late }), ...more };
  };
  const minutely: Timing = { kind: "cron", cron: "* * * * *", timezone: "UTC" };

  it.each([minutely, { kind: "every", everySeconds: 60 } as const])(
    "347 each moment of $kind fires once, whenever jitter, start and end are changed, over 60 seeds",
    (timing) => {
      let shifted = 0;
      for (let seed = 1; seed <= 60; seed++) {
        const random = chance(seed);
        let rule = of(timing, Math.floor(random() * 100_000));
        let now = T0 - 1;
        let { nextAt, decided } = beginFires(rule, now);
        const fires: number[] = [];
        for (let step = 0; step < 40 && nextAt !== null; step++) {
          const to = now + Math.floor(random() * 50_000);
          if (to >= nextAt) {
            now = Math.max(now, nextAt);
            const due = dueFires({ ...rule, decided }, nextAt, now);
            expect(due.count, `seed ${seed}`).toBe(1);
            fires.push(...due.latest);
            decided = Math.max(decided, due.latest.at(-1) ?? 0);
            nextAt = due.next;
            continue;
          }
          now = to;
          const more = random() < 0.2 ? { endAt: T0 + 1e9 + step, startAt: T0 - 1_000_000 - step } : {};
          const next = { ...of(timing, random() < 0.2 ? 0 : Math.floor(random() * 100_000), more), decided };
          ({ nextAt, decided } = shiftFires({ ...rule, decided }, next, nextAt, now));
          rule = next;
          shifted++;
          // Resumed, it would go on with the same one.
          const resumed = nextFire({ ...rule, decided }, now);
          if (nextAt !== null && nextAt > now) expect(resumed, `seed ${seed}`).toBe(nextAt);
        }
        const minutes = fires.map((at) => Math.floor((at - (timing.kind === "every" ? T0 : 0)) / 60_000));
        expect(minutes, `seed ${seed}`).toEqual(minutes.map((_, i) => (minutes[0] ?? 0) + i));
      }
      expect(shifted).toBeGreaterThan(500);
    },
  );

  it("347 a fire whose time would be over by another jitter is of now", () => {
    const now = T0 + 50_000;
    const at = of({ kind: "at", at: T0 }, 86_400_000);
    expect(shiftFires(at, { ...at, jitter: { ms: 1, schedule: "a" } }, T0 + 80_000_000, now).nextAt).toBe(now);
    const daily = of({ kind: "every", everySeconds: 86_400 }, 80_000_000, { decided: T0 - 1 });
    const shifted = shiftFires(daily, of(daily.timing, 0), T0 + 70_000_000, now);
    expect(shifted.nextAt).toBe(now);
    // It is no missed one: it is due now.
    expect(dueFires({ ...of(daily.timing, 0), ...shifted }, now, now + 5)).toEqual({
      count: 1,
      exact: true,
      latest: [now],
      next: T0 + 86_400_000,
    });
  });

  it("332 a moment before it was made is none, however late its fire would be", () => {
    const daily = of({ kind: "cron", cron: "0 9 * * *", timezone: "UTC" }, 86_000_000);
    const { nextAt, decided } = beginFires(daily, Date.parse("2026-05-01T09:00:01Z"));
    expect(nextAt).toBeGreaterThanOrEqual(Date.parse("2026-05-02T09:00:00Z"));
    expect(previewFires({ ...daily, decided }, Date.parse("2026-05-01T09:00:02Z"), 1)).toEqual([nextAt]);
  });

  it("347 where the clock was set back, what is over is over still", () => {
    const minutely = of({ kind: "every", everySeconds: 60 }, 0, { decided: T0 + 600_000 });
    expect(nextFire(minutely, T0)).toBe(T0 + 660_000);
    expect(beginFires({ ...minutely, timing: { kind: "every", everySeconds: 7 } }, T0)).toEqual({
      nextAt: T0 + 602_000,
      decided: T0 + 600_000,
    });
  });

  it("347 an end before the next moment leaves none", () => {
    const rule = of({ kind: "every", everySeconds: 60 }, 0);
    expect(shiftFires(rule, { ...rule, endAt: T0 + 60_000 }, T0 + 60_000, T0 + 1).nextAt).toBeNull();
  });
});
