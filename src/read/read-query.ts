/** Query parameters: text that must be a number, or a list. */
import type { Ctx } from "../door.ts";
import { queryProblem } from "../middleware/problems.ts";

/** A whole number within bounds; null where it is absent. @throws Problem invalid-request */
export function readWhole(c: Ctx, name: string, min: number, max: number): number | null {
  const text = c.req.query(name);
  if (text === undefined) return null;
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= min && value <= max)) throw queryProblem(name, `must be a whole number from ${min} to ${max}`);
  return value;
}

/** The parts of a comma-separated list, at most `max`; null where it is absent or empty. @throws Problem invalid-request */
export function readList(c: Ctx, name: string, max: number): string[] | null {
  const text = c.req.query(name);
  if (text === undefined || text === "") return null;
  const parts = text.split(",", max + 1);
  if (parts.length > max) throw queryProblem(name, `may name ${max} at a time`);
  return parts;
}
