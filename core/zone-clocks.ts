/**
 * What clocks of a zone show, and when: the one place that asks Intl. A wall time is written as the Unix ms of the moment
 * at which UTC's clocks show it. Clocks are taken to be changed once in two days at most, and back by less than one.
 */

/** Clocks are changed at `at` (Unix ms): until then they are ahead of UTC by `before` (ms), from then on by `after`. */
export interface Shift {
  readonly at: number;
  readonly before: number;
  readonly after: number;
}

/** When clocks show a wall time: at one moment, at two, or, where `gap` skips it, at none. */
export type Shown =
  | { readonly first: number; readonly second: number | null }
  | { readonly first: null; readonly gap: Shift };

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Zones are 12 hours behind UTC to 14 ahead of it. */
const AHEAD_MS = 15 * HOUR_MS;
const BEHIND_MS = 13 * HOUR_MS;

interface Zone {
  readonly format: Intl.DateTimeFormat;
  /** Between these (Unix ms) clocks are not changed: a look-up costs 1.3 µs, and an alarm's are close together. */
  from: number;
  to: number;
  offset: number;
  shift: Shift | null;
}

const zones = new Map<string, Zone>();
const MAX_ZONES = 1_000;

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

/** The wall time of a moment (Unix ms). @throws on a zone that can't be read, as all do here */
export function wallAt(timezone: string, at: number): number {
  return at + offsetAt(zoneOf(timezone), at);
}

/** When clocks show `wall`. */
export function whenShown(timezone: string, wall: number): Shown {
  const zone = zoneOf(timezone);
  const from = wall - AHEAD_MS;
  const shift = shiftBetween(zone, from, wall + BEHIND_MS);
  if (!shift) return { first: wall - offsetAt(zone, from), second: null };
  const early = wall - shift.before;
  const late = wall - shift.after;
  if (early < shift.at) return { first: early, second: late >= shift.at ? late : null };
  return late >= shift.at ? { first: late, second: null } : { first: null, gap: shift };
}

/** The setting back of clocks within a day of `at` (Unix ms), either way; null: there is none. */
export function setBackNear(timezone: string, at: number): Shift | null {
  const shift = shiftBetween(zoneOf(timezone), at - DAY_MS, at + DAY_MS);
  return shift && shift.before > shift.after ? shift : null;
}

function shiftBetween(zone: Zone, from: number, to: number): Shift | null {
  if (from >= zone.from && to <= zone.to) return null;
  if (zone.shift && zone.shift.at > from && zone.shift.at <= to) return zone.shift;
  const before = offsetAt(zone, from);
  const after = offsetAt(zone, to);
  if (before === after) {
    const isJoined = before === zone.offset && from <= zone.to && to >= zone.from;
    zone.from = isJoined ? Math.min(from, zone.from) : from;
    zone.to = isJoined ? Math.max(to, zone.to) : to;
    zone.offset = before;
    return null;
  }
  let low = Math.floor(from / 1_000);
  let high = Math.ceil(to / 1_000);
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (offsetAt(zone, middle * 1_000) === before) low = middle;
    else high = middle;
  }
  zone.shift = { at: high * 1_000, before, after };
  return zone.shift;
}

function zoneOf(timezone: string): Zone {
  const known = zones.get(timezone);
  if (known) return known;
  const format = new Intl.DateTimeFormat("en", { timeZone: timezone, timeZoneName: "longOffset" });
  const zone: Zone = { format, from: 0, to: -1, offset: 0, shift: null };
  if (zones.size >= MAX_ZONES) zones.clear();
  zones.set(timezone, zone);
  return zone;
}

/** How far clocks are ahead of UTC (ms). */
function offsetAt(zone: Zone, at: number): number {
  if (at >= zone.from && at <= zone.to) return zone.offset;
  const text = zone.format.format(at);
  const [, sign, hours, minutes, seconds = "0"] = /GMT([+-])(\d\d):(\d\d)(?::(\d\d))?$/.exec(text) ?? [];
  if (sign === undefined) return 0;
  const ms = (Number(hours) * 3_600 + Number(minutes) * 60 + Number(seconds)) * 1_000;
  return sign === "-" ? -ms : ms;
}
