/**
 * Days around clock changes at midnight, and other odd ones, worked out a second time by Intl alone, minute by minute,
 * with the documented rule in the plainest words. A wall time is text, "2026-03-28 23:30", so they sort.
 */
import { describe, expect, it } from "vitest";
import { type CronRule, type DstRule, latestCron, nextCron, previousCron } from "../../core/cron.ts";

const MINUTE = 60_000;
const DAY = 1_440 * MINUTE;
/** The date of the shift (UTC): a spring and an autumn each. */
const SHIFTS = [
  ["America/Nuuk", "2026-03-29"],
  ["America/Nuuk", "2026-10-25"],
  ["America/Scoresbysund", "2026-03-29"],
  ["America/Scoresbysund", "2026-10-25"],
  ["Africa/Cairo", "2026-04-23"],
  ["Africa/Cairo", "2026-10-29"],
  ["Asia/Beirut", "2026-03-28"],
  ["Asia/Beirut", "2026-10-24"],
  ["America/Santiago", "2026-04-05"],
  ["America/Santiago", "2026-09-06"],
  ["America/Asuncion", "2024-03-24"],
  ["America/Asuncion", "2024-10-06"],
  ["America/Havana", "2026-03-08"],
  ["America/Havana", "2026-11-01"],
  // A day that never was; two hours at once.
  ["Pacific/Apia", "2011-12-30"],
  ["Antarctica/Troll", "2026-03-29"],
  ["Antarctica/Troll", "2026-10-25"],
  ["Australia/Lord_Howe", "2026-04-04"],
] as const;

interface Minute {
  readonly at: number;
  readonly wall: string;
}

/** Each minute of the days around a shift, as clocks show it. */
function walk(zone: string, date: string): Minute[] {
  const format = new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short", timeStyle: "short" });
  const from = Date.parse(date) - 2 * DAY;
  return Array.from({ length: 5 * 1_440 }, (_, i) => ({
    at: from + i * MINUTE,
    wall: format.format(from + i * MINUTE),
  }));
}

/** The time on each date of the calendar, those that never were too. */
function dated(date: string, times: readonly string[], isDay: (at: number) => boolean): string[] {
  const dates = Array.from({ length: 7 }, (_, i) => Date.parse(date) + (i - 3) * DAY).filter(isDay);
  return dates.flatMap((day) => times.map((time) => `${new Date(day).toISOString().slice(0, 10)} ${time}`));
}

/** Where clocks show it, else at the first minute that is later where the one before was earlier. */
function reckonTimes(minutes: readonly Minute[], walls: readonly string[], dst: DstRule): number[] {
  const fires = new Set<number>();
  const shown = Map.groupBy(minutes, ({ wall }) => wall);
  for (const wall of walls) {
    const exact = shown.get(wall) ?? [];
    const isShift = (minute: Minute, i: number) => minute.wall > wall && (minutes[i - 1]?.wall ?? "9") < wall;
    const shift = exact.length === 0 ? minutes.find(isShift) : undefined;
    for (const { at } of exact.slice(0, dst === "both" ? 2 : 1)) fires.add(at);
    if (shift) fires.add(shift.at);
  }
  return [...fires].sort((a, b) => a - b);
}

function croned(rule: CronRule, from: number, to: number): number[] {
  const fires: number[] = [];
  for (let at = nextCron(rule, from - 1); at !== null && at <= to; at = nextCron(rule, at)) fires.push(at);
  return fires;
}

const iso = (fires: readonly number[]) => fires.map((at) => new Date(at).toISOString());
const everyMinute = Array.from({ length: 60 }, (_, i) => `00:${String(i).padStart(2, "0")}`);
const isSunday = (day: number) => new Date(day).getUTCDay() === 0;
const always = () => true;
const TIMES: readonly (readonly [string, readonly string[], (day: number) => boolean])[] = [
  ["30 23 * * *", ["23:30"], always],
  ["59 23 * * *", ["23:59"], always],
  ["0 0 * * *", ["00:00"], always],
  ["30 0 * * *", ["00:30"], always],
  ["0 1 * * *", ["01:00"], always],
  ["15 1,23 * * *", ["01:15", "23:15"], always],
  ["0 9 * * *", ["09:00"], always],
  ["30 23 * * SAT", ["23:30"], (day) => new Date(day).getUTCDay() === 6],
  ["0 0 * * SUN", ["00:00"], isSunday],
  ["45 1 * * SUN", ["01:45"], isSunday],
  ["0-59 0 * * *", everyMinute, always],
];

describe.each(SHIFTS)("171 331 %s around %s", (timezone, date) => {
  const minutes = walk(timezone, date);
  const [from, to] = [minutes[0]?.at ?? 0, minutes.at(-1)?.at ?? 0];

  it.each(["once", "both"] as const)("times of day, where clocks show them twice %s", (dst) => {
    for (const [cron, times, isDay] of TIMES) {
      const rule = { cron, timezone, dst };
      const told = reckonTimes(minutes, dated(date, times, isDay), dst);
      expect(iso(croned(rule, from, to)), cron).toEqual(iso(told));
      // Backwards they are the same, from wherever it is asked.
      expect(iso(latestCron(rule, to, told.length)), cron).toEqual(iso(told));
      for (const [i, at] of told.entries()) {
        expect(previousCron(rule, at), cron).toBe(at);
        expect(nextCron(rule, at - 1), cron).toBe(at);
        if (i > 0) expect(previousCron(rule, at - 1), cron).toBe(told[i - 1]);
      }
      for (let at = from + DAY + 30_000; at < to - DAY; at += 53 * MINUTE) {
        const [last, next] = [told.findLast((fire) => fire <= at), told.find((fire) => fire > at)];
        if (last !== undefined) expect(previousCron(rule, at), cron).toBe(last);
        if (next !== undefined) expect(nextCron(rule, at), cron).toBe(next);
      }
    }
  });

  it("intervals go on in real time", () => {
    const matching = (cron: string, of: RegExp) => {
      const told = minutes.filter(({ wall }) => of.test(wall)).map(({ at }) => at);
      expect(iso(croned({ cron, timezone }, from, to)), cron).toEqual(iso(told));
      expect(iso(latestCron({ cron, timezone, dst: "both" }, to, told.length)), cron).toEqual(iso(told));
    };
    matching("0 * * * *", /:00$/);
    matching("*/20 0 * * *", / 00:[024]0$/);
    matching("*/30 23 * * *", / 23:[03]0$/);
  });
});

it("331 a dense list of times of day costs no more than any other, twice where clocks show them twice", () => {
  // 6:00 UTC: 2:00 → 1:00. Each second of that hour is a fire, and is again.
  const back = Date.parse("2026-11-01T06:00:00Z");
  const rule = { cron: "0-59 0-59 1 * * *", timezone: "America/New_York", dst: "both" } as const;
  const began = performance.now();
  for (const at of [back - 3_600_000, back - 1_000, back, back + 1_800_000, back + 3_598_000])
    expect(nextCron(rule, at)).toBe(at + 1_000);
  expect(nextCron(rule, back + 3_599_000)).toBe(Date.parse("2026-11-02T06:00:00Z"));
  expect(latestCron(rule, back + 1_000, 4)).toEqual([-2, -1, 0, 1].map((s) => back + s * 1_000));
  // It was 5.6 s: each fire of three hours was looked at, for each step.
  expect(performance.now() - began).toBeLessThan(500);
});

it("331 an interval that clocks skip each year fires never, and is not looked for without end", () => {
  const rule = { cron: "*/30 2 8-14 3 +SUN", timezone: "America/New_York" };
  expect(nextCron(rule, Date.parse("2026-01-01T00:00:00Z"))).toBeNull();
  expect(nextCron({ ...rule, cron: "30 2 8-14 3 +SUN" }, Date.parse("2026-01-01T00:00:00Z"))).toBe(
    Date.parse("2026-03-08T07:00:00Z"),
  );
});
