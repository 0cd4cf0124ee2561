/** Fires that are late by a share, so that many of one moment spread. */
import { describe, expect, it } from "vitest";
import { dueFires, type FireRule, MAX_CAUGHT_UP, MAX_COUNTED, nextFire, previewFires } from "../../core/schedule.ts";

describe("332 jitter", () => {
  const rule = (timing: FireRule["timing"], schedule: string, ms = 30_000): FireRule => ({
    timing,
    anchor: 0,
    startAt: null,
    endAt: null,
    jitter: { ms, schedule },
  });
  const minutely: FireRule["timing"] = { kind: "cron", cron: "* * * * *", timezone: "UTC" };

  it("332 makes a fire late by a share that depends on schedule and moment alone, whoever works it out", () => {
    const fires = previewFires(rule(minutely, "a"), 0, 50);
    for (const fire of fires) {
      expect(fire % 60_000).toBeLessThanOrEqual(30_000);
    }
    expect(new Set(fires.map((fire) => fire % 60_000)).size).toBeGreaterThan(40);
    // Asked from any moment between, the same.
    for (const [i, fire] of fires.slice(1).entries())
      expect(nextFire(rule(minutely, "a"), (fires[i] ?? 0) + 1)).toBe(fire);
    expect(previewFires(rule(minutely, "b"), 0, 50)).not.toEqual(fires);
  });

  it("332 never makes one as late as the next, however much is told; nor as late as endAt", () => {
    for (const timing of [minutely, { kind: "every", everySeconds: 60 } as const]) {
      const fires = previewFires(rule(timing, "a", 86_400_000), 0, 500);
      for (const [i, fire] of fires.entries())
        expect(Math.floor(fire / 60_000) - Math.floor((fires[0] ?? 0) / 60_000)).toBe(i);
      expect(fires.toSorted((a, b) => a - b)).toEqual(fires);
    }
    const ends = { ...rule(minutely, "a", 86_400_000), endAt: 601_000 };
    expect(Math.max(...previewFires(ends, 0, 500))).toBeLessThan(601_000);
  });

  it("332 spreads ten thousand schedules of one moment evenly", () => {
    const seconds = new Map<number, number>();
    for (let i = 0; i < 10_000; i++) {
      const fire = nextFire(rule({ kind: "at", at: 60_000 }, `s${i}`, 59_999), 0) ?? 0;
      const second = Math.floor((fire - 60_000) / 1_000);
      seconds.set(second, (seconds.get(second) ?? 0) + 1);
    }
    expect(seconds.size).toBe(60);
    expect(Math.max(...seconds.values())).toBeLessThan(230);
  });

  it("331 332 beyond a thousand the latest are known in the hour that clocks show twice, too", () => {
    const back = Date.parse("2026-11-01T06:00:00Z");
    const timing = { kind: "cron", cron: "0-59 0-59 1 * * *", timezone: "America/New_York", dst: "both" } as const;
    for (const ms of [0, 900]) {
      const told = { ...rule(timing, "a", ms), startAt: back - 3_600_000 };
      const all = previewFires(told, back - 3_600_001, 5_500);
      for (const now of [back - 1_000_000, back + 50_500, back + 1_000_500]) {
        const due = dueFires(told, all[0] ?? 0, now);
        const come = all.filter((fire) => fire <= now);
        expect(due).toMatchObject({ count: MAX_COUNTED, exact: false, next: nextFire(told, now) });
        expect(due.latest).toEqual(come.slice(-MAX_CAUGHT_UP));
      }
    }
  });

  it("332 what is due is counted by the moments that have come", () => {
    for (const timing of [minutely, { kind: "every", everySeconds: 60 } as const]) {
      const told = rule(timing, "a");
      const [first = 0] = previewFires(told, 0, 1);
      const all = previewFires(told, 0, 2_000);
      for (const now of [first, first + 59_000, first + 61_000, 600_000, 3_601_000]) {
        const due = dueFires(told, first, now);
        const come = all.filter((fire) => fire <= now);
        expect(due).toEqual({ count: come.length, exact: true, latest: come.slice(-100), next: nextFire(told, now) });
      }
    }
  });
});
