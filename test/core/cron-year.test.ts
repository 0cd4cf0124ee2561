/**
 * A year of fires, worked out a second time by Intl alone: the year is walked minute by minute on clocks of the zone, and
 * the documented rule is said in the plainest way. Moments must agree, so counts do. 2024, because its 31 March is a
 * Sunday: in Berlin the last of a month has a gap. Of each quarter of an hour the year round only the full run asks (a
 * fire costs croner 0.1 ms), any other of those in the days where clocks change.
 */
import { describe, expect, inject, it } from "vitest";
import { type DstRule, nextCron } from "../../core/cron.ts";

const MINUTE = 60_000;
/** No zone changes its clocks within one: Intl is asked once in each. */
const QUARTER = 15;
const DAY = 1_440 * MINUTE;
const FROM = Date.UTC(2024, 0, 1);
const TO = Date.UTC(2025, 0, 1);
const ZONES = ["America/New_York", "Europe/Berlin", "Australia/Lord_Howe"] as const;

interface Minute {
  readonly at: number;
  /** Of the zone's calendar. */
  readonly date: string;
  readonly day: number;
  readonly weekday: string;
  /** Minutes since midnight, as clocks show them. */
  readonly time: number;
}

/** A day more on either side, so that the first and last local days are whole. */
function walkYear(zone: string): Minute[] {
  const format = new Intl.DateTimeFormat("en-GB", {
    timeZone: zone,
    weekday: "short",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  });
  const minutes: Minute[] = [];
  for (let at = FROM - DAY; at < TO + DAY; at += QUARTER * MINUTE) {
    // "Mon, 01/01/2024, 00:00"
    const text = format.format(at);
    const date = { date: text.slice(5, 15), day: Number(text.slice(5, 7)), weekday: text.slice(0, 3) };
    const time = Number(text.slice(17, 19)) * 60 + Number(text.slice(20, 22));
    for (let i = 0; i < QUARTER; i++) minutes.push({ at: at + i * MINUTE, ...date, time: time + i });
  }
  return minutes;
}

type Span = readonly [from: number, to: number];
const YEAR: Span = [FROM, TO];
const isWithin = ([from, to]: Span, at: number) => at > from && at < to;
const inYear = (at: number) => isWithin(YEAR, at);

/** From two days before to two days after each moment at which clocks jump. */
function changesOf(year: readonly Minute[]): Span[] {
  const jumps = year.filter(({ time }, i) => i > 0 && time !== ((year[i - 1]?.time ?? 0) + 1) % 1_440);
  return jumps.map(({ at }) => [at - 2 * DAY, at + 2 * DAY]);
}

/** An interval: each minute that matches, as real time passes. */
function reckonInterval(year: readonly Minute[], matches: (minute: Minute) => boolean, within = YEAR): number[] {
  return year.filter((minute) => isWithin(within, minute.at) && matches(minute)).map(({ at }) => at);
}

type Days = readonly (readonly Minute[])[];

/** A time of day: each matching date has it, at its first such minute (or all), else at the first after the gap. */
function reckonDaily(days: Days, isDay: (minute: Minute) => boolean, time: number, dst: DstRule): number[] {
  const fires: number[] = [];
  for (const minutes of days) {
    const [first] = minutes;
    if (!first || !isDay(first)) continue;
    const exact = minutes.filter((minute) => minute.time === time);
    const shifted = minutes.filter((minute) => minute.time > time).slice(0, 1);
    if (exact.length === 0) fires.push(...shifted.map(({ at }) => at));
    else fires.push(...exact.slice(0, dst === "both" ? exact.length : 1).map(({ at }) => at));
  }
  return fires.filter(inYear);
}

function croned(cron: string, timezone: string, dst: DstRule, [from, to] = YEAR): number[] {
  const fires: number[] = [];
  const rule = { cron, timezone, dst };
  for (let at = nextCron(rule, from); at !== null && at < to; at = nextCron(rule, at)) fires.push(at);
  return fires;
}

const iso = (fires: readonly number[]) => fires.map((at) => new Date(at).toISOString());
const TIMES = ["00:30", "01:30", "01:45", "02:00", "02:10", "02:30", "09:00"] as const;
const clock = (text: string) => Number(text.slice(0, 2)) * 60 + Number(text.slice(3));
const field = (text: string) => `${Number(text.slice(3))} ${Number(text.slice(0, 2))}`;
const isLastOfMonth = ({ date, day }: Minute) =>
  day === new Date(Date.UTC(Number(date.slice(6)), Number(date.slice(3, 5)), 0)).getUTCDate();

describe.each(ZONES)("331 a virtual year in %s, against Intl's own reckoning", (zone) => {
  const year = walkYear(zone);
  const days = [...Map.groupBy(year, ({ date }) => date).values()];

  it("intervals go on in real time, whatever dst says", { timeout: 60_000 }, () => {
    const hourly = croned("0 * * * *", zone, "once");
    expect(iso(hourly)).toEqual(iso(reckonInterval(year, ({ time }) => time % 60 === 0)));
    // One more would be at the year's very beginning; one is in the half hour that Lord Howe skips, none in that it repeats.
    expect(hourly).toHaveLength(366 * 24 - (zone === "Australia/Lord_Howe" ? 2 : 1));
    const changes = changesOf(year);
    expect(changes).toHaveLength(2);
    for (const span of inject("full") ? [YEAR] : changes)
      for (const [cron, every] of [
        ["0 * * * *", 60],
        ["*/15 * * * *", 15],
      ] as const) {
        const reckoned = iso(reckonInterval(year, ({ time }) => time % every === 0, span));
        for (const dst of ["once", "both"] as const) expect(iso(croned(cron, zone, dst, span)), dst).toEqual(reckoned);
      }
  });

  it.each(["once", "both"] as const)("times of day come once a day, where clocks show them twice %s", (dst) => {
    for (const time of TIMES) {
      const daily = croned(`${field(time)} * * *`, zone, dst);
      expect(iso(daily), time).toEqual(iso(reckonDaily(days, () => true, clock(time), dst)));
      const weekly = croned(`${field(time)} * * SUN`, zone, dst);
      expect(iso(weekly), `${time} on Sundays`).toEqual(
        iso(reckonDaily(days, ({ weekday }) => weekday === "Sun", clock(time), dst)),
      );
      const last = croned(`${field(time)} L * *`, zone, dst);
      expect(iso(last), `${time} on the last`).toEqual(iso(reckonDaily(days, isLastOfMonth, clock(time), dst)));
    }
  });

  it("the documented counts: 366 days, one fire more for a time that comes twice", () => {
    // Lord Howe goes back from 2:00 to 1:30, New York from 2:00 to 1:00, Berlin from 3:00 to 2:00.
    const twice = zone === "Europe/Berlin" ? "30 2 * * *" : "30 1 * * *";
    expect(croned(twice, zone, "once")).toHaveLength(366);
    expect(croned(twice, zone, "both")).toHaveLength(367);
  });
});
