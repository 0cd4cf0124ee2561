/** Query parameters, and headers that say how a request is meant: which there may be; text that must be a number, or a list. */
import { type FieldError, Problem } from "../../core/errors.ts";
import { MAX_ERRORS } from "../../core/explain-issues.ts";
import { QUEUE_NAME, type QueueName } from "../../core/ids.ts";
import type { Ctx } from "../door.ts";
import { queryProblem } from "../middleware/problems.ts";

/**
 * Nothing is ignored: a parameter that is misspelt would be taken for one that was not told.
 * @param known what the route reads
 * @throws Problem invalid-request that names each one that is not known or stands there twice
 */
export function checkQuery(c: Ctx, known: readonly string[]): void {
  const { url } = c.req.raw;
  if (!url.includes("?")) return;
  const { searchParams } = new URL(url);
  const errors: FieldError[] = [];
  for (const name of new Set(searchParams.keys())) {
    if (!known.includes(name)) errors.push({ pointer: `?${name}`, detail: "is not a parameter that is read here" });
    else if (searchParams.getAll(name).length > 1) errors.push({ pointer: `?${name}`, detail: "may be told once" });
    if (errors.length === MAX_ERRORS) break;
  }
  if (errors.length === 0) return;
  const read = known.length === 0 ? "none" : known.map((name) => `?${name}=`).join(" and ");
  const detail = `The query has a parameter that is not known or is told twice; what is read here: ${read}.`;
  throw new Problem("invalid-request", detail, { errors });
}

/** Headers without which a request means another thing. */
const TELLING_HEADERS = ["If-Match", "Idempotency-Key"] as const;

/**
 * Nothing is ignored: a condition that is not looked at would be taken for one that held.
 * @param known what the route reads, as `Name:`
 * @throws Problem invalid-request that names each one that is not read here
 */
export function checkHeaders({ req }: Ctx, known: readonly string[]): void {
  const isUnread = (name: string) => !known.includes(`${name}:`) && req.raw.headers.has(name);
  const unread = TELLING_HEADERS.filter(isUnread);
  if (unread.length === 0) return;
  const errors = unread.map((name) => ({ pointer: `${name}:`, detail: "is not a header that is read here" }));
  throw new Problem("invalid-request", `${unread.join(" and ")} would be ignored here. Leave it out.`, { errors });
}

/** A whole number within bounds; null where it is absent. @throws Problem invalid-request */
export function readWhole(c: Ctx, name: string, min: number, max: number): number | null {
  const text = c.req.query(name);
  if (text === undefined) return null;
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= min && value <= max)) throw queryProblem(name, `must be a whole number from ${min} to ${max}`);
  return value;
}

/** `true` or `false`; false where it is absent. @throws Problem invalid-request */
export function readFlag(c: Ctx, name: string): boolean {
  const text = c.req.query(name);
  if (text !== undefined && text !== "true" && text !== "false") throw queryProblem(name, "must be true or false");
  return text === "true";
}

/** The parts of a comma-separated list, at most `max`; null where it is absent or empty. @throws Problem invalid-request */
export function readList(c: Ctx, name: string, max: number): string[] | null {
  const text = c.req.query(name);
  if (text === undefined || text === "") return null;
  const parts = text.split(",", max + 1);
  if (parts.length > max) throw queryProblem(name, `may name ${max} at a time`);
  return parts;
}

/**
 * `?queue=` that narrows a list; null where it is absent. It may be of a queue that is deleted: what was told of it stays.
 * @throws Problem invalid-request
 */
export function readQueue(c: Ctx): QueueName | null {
  const queue = c.req.query("queue");
  if (queue === undefined) return null;
  if (!QUEUE_NAME.test(queue)) throw queryProblem("queue", "must be 1 to 64 letters, digits, hyphens or underscores");
  return queue as QueueName;
}

/** One of a few words; null where it is absent. @throws Problem invalid-request that names them */
export function readWord<T extends string>(c: Ctx, name: string, words: readonly T[]): T | null {
  const text = c.req.query(name);
  if (text === undefined) return null;
  const found = words.find((word) => word === text);
  if (found === undefined) throw queryProblem(name, `must be one of ${words.join(", ")}`);
  return found;
}
