/**
 * Two tasks field by field: what they were told, what became of them, how long it took. Values are compared as JSON, so
 * neither the order of fields nor the way in which a text was written counts. Pure.
 * Must stay true: whatever the tasks hold, the answer is bounded in count and in bytes.
 */
import type { QueueName } from "./ids.ts";
import { escapePointer } from "./json.ts";
import { type Attempt, NO_PAYLOAD, publicError, type TaskRecord, toTask } from "./task.ts";

/** A place at which two values differ; a side that has nothing there is left out. */
export interface Difference {
  /** JSON Pointer (RFC 6901). */
  readonly field: string;
  readonly a?: unknown;
  readonly b?: unknown;
  /** Sides whose value is too long: in its place stands the beginning of its JSON text. */
  readonly cut?: readonly ("a" | "b")[];
}

export interface Comparison {
  /** How many places differ; the first {@link MAX_DIFFERENCES} are listed. */
  readonly different: number;
  readonly differences: readonly Difference[];
  /** Fields at the top that are the same in all they hold. */
  readonly same: readonly string[];
}

export const MAX_DIFFERENCES = 200;
/** Characters of JSON text that are shown of one side of a difference. */
export const MAX_SHOWN = 1_024;

/** Compares two objects parsed from JSON. */
export function compareObjects(a: object, b: object): Comparison {
  const found: Found = { count: 0, listed: [] };
  const same: string[] = [];
  const names = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  // Of two runs everything about the attempts differs: what tells more comes first.
  for (const name of [...names.filter((one) => one !== LAST), ...names.filter((one) => one === LAST)]) {
    const before = found.count;
    compare(valueAt(a, name), valueAt(b, name), `/${escapePointer(name)}`, found);
    if (found.count === before) same.push(name);
  }
  return { different: found.count, differences: found.listed, same };
}

const LAST = "attempts";

interface Found {
  count: number;
  readonly listed: Difference[];
}

/** Absent, which JSON's null is not. */
const ABSENT = Symbol("absent");

function valueAt(holder: object, name: string): unknown {
  return Object.hasOwn(holder, name) ? (holder as Readonly<Record<string, unknown>>)[name] : ABSENT;
}

function compare(a: unknown, b: unknown, field: string, found: Found): void {
  if (a === b) return;
  if (isHolder(a) && isHolder(b) && Array.isArray(a) === Array.isArray(b)) {
    for (const name of new Set([...Object.keys(a), ...Object.keys(b)]))
      compare(valueAt(a, name), valueAt(b, name), `${field}/${escapePointer(name)}`, found);
    return;
  }
  found.count++;
  if (found.listed.length < MAX_DIFFERENCES) found.listed.push(differenceAt(field, a, b));
}

function isHolder(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function differenceAt(field: string, a: unknown, b: unknown): Difference {
  const sides = { a: shown(a), b: shown(b) };
  const cut = (["a", "b"] as const).filter((side) => sides[side].isCut);
  return {
    field,
    ...(a !== ABSENT && { a: sides.a.value }),
    ...(b !== ABSENT && { b: sides.b.value }),
    ...(cut.length > 0 && { cut }),
  };
}

function shown(value: unknown): { readonly value: unknown; readonly isCut: boolean } {
  if (value === ABSENT || (typeof value !== "object" && typeof value !== "string")) return { value, isCut: false };
  const text = JSON.stringify(value);
  return text.length <= MAX_SHOWN ? { value, isCut: false } : { value: text.slice(0, MAX_SHOWN), isCut: true };
}

/**
 * A task as it is compared: what its view shows but its id, then its payload and its result as far as they are kept, and
 * what it took.
 * @param now Unix ms; a result that is past its time is not there
 */
export function comparable(queue: QueueName, shard: number, record: TaskRecord, now: number): object {
  const { id: _, attempts, ...view } = toTask(queue, shard, record);
  const isKept = record.resultExpiresAt === null || record.resultExpiresAt > now;
  return {
    ...view,
    ...(record.error !== null && { error: publicError(record.error) }),
    ...(record.payload !== NO_PAYLOAD && { payload: JSON.parse(record.payload) as unknown }),
    ...(record.result !== null && isKept && { result: JSON.parse(record.result) as unknown }),
    timings: timingsOf(record),
    crashes: record.crashes,
    attempts,
  };
}

export interface Timings {
  /** From its submission, or from when it was to run, to its first attempt (ms); null: it has not begun. */
  readonly waitMs: number | null;
  /** All attempts that have ended, together (ms). */
  readonly runMs: number;
  /** From its submission to its end (ms); null: it has not ended. */
  readonly totalMs: number | null;
  /** Attempts begun. */
  readonly attempts: number;
}

export function timingsOf({ attempts, attemptsDropped, createdAt, endedAt, runAt }: TaskRecord): Timings {
  const startedAt = attempts[0]?.startedAt;
  // What lies after the first start is when it was to be tried again.
  const readyAt = runAt !== null && startedAt !== undefined && runAt <= startedAt ? runAt : createdAt;
  return {
    waitMs: startedAt === undefined ? null : Math.max(0, startedAt - readyAt),
    runMs: attempts.reduce((sum, attempt) => sum + lengthOf(attempt), 0),
    totalMs: endedAt === null ? null : Math.max(0, endedAt - createdAt),
    attempts: attempts.length + attemptsDropped,
  };
}

function lengthOf({ startedAt, endedAt }: Attempt): number {
  return endedAt === null ? 0 : Math.max(0, endedAt - startedAt);
}
