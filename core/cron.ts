/**
 * When a cron expression fires: 5 fields (minute hour day month weekday) or 6 (second first), read in an IANA zone.
 * Weekdays are 0-7 (0 and 7 Sunday) or names; day and weekday both given means either, `+` before the weekday both;
 * `L`, `15W`, `MON#2` and `FRI#L` as in croner, which does the arithmetic.
 *
 * Where clocks change (Vixie cron's rule): an expression without `*` or a step in second, minute and hour names times
 * of day, so each fires once a day: at the first moment after the gap, and at the first of two (with `dst: "both"` at
 * both). Any other is an interval in real time: it skips what the gap swallowed and fires in both passes of the repeated
 * hour.
 */
import { Cron } from "croner";

/** What a time of day does that comes twice. */
export const DST_RULES = ["once", "both"] as const;
export type DstRule = (typeof DST_RULES)[number];

/** When a cron expression is to be read so. */
export interface CronRule {
  readonly cron: string;
  readonly timezone: string;
  /** Absent: `once`. */
  readonly dst?: DstRule;
}

const FIELDS = /^[\dA-Za-z*,\-/#?+]+$/;
const MAX_LENGTH = 256;
/** Parsing costs about as much as one step (70 µs), and an alarm asks for the same few again and again. */
const parsed = new Map<string, Cron>();
const MAX_PARSED = 1_000;
const formats = new Map<string, Intl.DateTimeFormat>();

/** Whether the runtime knows the zone: "Europe/Vienna", "UTC". Fixed offsets ("+02:00") are none. */
export function isTimeZone(name: string): boolean {
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/** Why an expression can't be read, in a sentence; null where it can. It may still never fire ("0 0 30 2 *"). */
export function cronProblem(expression: string): string | null {
  try {
    parse(expression, "UTC");
    return null;
  } catch (error) {
    return error instanceof Error ? error.message.replace(/^CronPattern: /, "") : String(error);
  }
}

/**
 * The first fire strictly after `after` (Unix ms both), on a whole second; null: never again.
 * Costs 60 to 120 µs, 10 ms where no date fits (measured). @throws on an expression or zone that can't be read
 */
export function nextCron(rule: CronRule, after: number): number | null {
  const next = nextPlain(rule, after);
  if (!mayComeTwice(rule) || !isSetBackNear(rule.timezone, after)) return next;
  for (let at = nextPlain(rule, after - LONGEST_SHIFT_MS); at !== null && at <= after; at = nextPlain(rule, at)) {
    const again = secondPass(rule.timezone, at);
    if (again !== null && again > after) return next === null ? again : Math.min(next, again);
  }
  return next;
}

/** The latest `count` fires at or before `until` (Unix ms), oldest first. @throws as {@link nextCron} */
export function latestCron(rule: CronRule, until: number, count: number): number[] {
  const runs = parse(rule.cron, rule.timezone).previousRuns(count, new Date(until + 1));
  const plain = runs.map((run) => run.getTime()).reverse();
  if (!mayComeTwice(rule)) return plain;
  const again = plain.flatMap((at) => secondPass(rule.timezone, at) ?? []).filter((at) => at <= until);
  return [...new Set([...plain, ...again])].sort((a, b) => a - b).slice(-count);
}

/** Whether a time of day is to fire at both of two. An interval counts in real time: it does so by itself. */
function mayComeTwice({ cron, dst }: CronRule): boolean {
  if (dst !== "both") return false;
  const fields = cron.trim().split(/\s+/);
  const times = fields.slice(0, fields.length === 6 ? 3 : 2);
  return !times.some((field) => /[*?/]/.test(field));
}

function nextPlain({ cron, timezone }: CronRule, after: number): number | null {
  return parse(cron, timezone).nextRun(new Date(after))?.getTime() ?? null;
}

/** Clocks are set back by an hour, Lord Howe's by half of one, Troll's by two. */
const LONGEST_SHIFT_MS = 3 * 3_600_000;

function isSetBackNear(timezone: string, at: number): boolean {
  return offsetAt(timezone, at - LONGEST_SHIFT_MS) > offsetAt(timezone, at + LONGEST_SHIFT_MS);
}

/** When clocks show the same time again as at `at`, having been set back meanwhile; null: they do not. */
function secondPass(timezone: string, at: number): number | null {
  const shift = offsetAt(timezone, at) - offsetAt(timezone, at + LONGEST_SHIFT_MS);
  return shift > 0 && offsetAt(timezone, at) - offsetAt(timezone, at + shift) === shift ? at + shift : null;
}

/** How far clocks are ahead of UTC (ms). */
function offsetAt(timezone: string, at: number): number {
  let format = formats.get(timezone);
  if (!format) {
    if (formats.size >= MAX_PARSED) formats.clear();
    format = new Intl.DateTimeFormat("en", { timeZone: timezone, timeZoneName: "longOffset" });
    formats.set(timezone, format);
  }
  const name = format.formatToParts(at).find(({ type }) => type === "timeZoneName")?.value ?? "GMT";
  const [, sign, hours, minutes, seconds = "0"] = /^GMT([+-])(\d\d):(\d\d)(?::(\d\d))?$/.exec(name) ?? [];
  if (sign === undefined) return 0;
  const ms = (Number(hours) * 3_600 + Number(minutes) * 60 + Number(seconds)) * 1_000;
  return sign === "-" ? -ms : ms;
}

function parse(expression: string, timezone: string): Cron {
  const key = `${timezone} ${expression}`;
  const known = parsed.get(key);
  if (known) return known;
  const fields = expression.trim().split(/\s+/);
  if (expression.length > MAX_LENGTH) throw new RangeError(`longer than ${MAX_LENGTH} characters`);
  if (fields.length !== 5 && fields.length !== 6)
    throw new RangeError(`5 or 6 fields are needed, here are ${fields.length}`);
  // croner would read a colon as a date, and a date needs a clock.
  for (const field of fields)
    if (!FIELDS.test(field)) throw new RangeError(`'${field}' is no field of a cron expression`);
  const cron = new Cron(fields.join(" "), { timezone, mode: "5-or-6-parts", fixedTimeRule: "no-wildcard" });
  if (parsed.size >= MAX_PARSED) parsed.clear();
  parsed.set(key, cron);
  return cron;
}
