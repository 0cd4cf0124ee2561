/** Where a list goes on: opaque to callers, so that what it is made of may change. */
import { z } from "zod";
import type { Ctx } from "../door.ts";
import { queryProblem } from "../middleware/problems.ts";

/** What `?cursor=` says; null where it is absent. @throws Problem invalid-request where no answer gave it */
export function readCursor<T>(c: Ctx, schema: z.ZodType<T>): T | null {
  const text = c.req.query("cursor");
  if (text === undefined) return null;
  try {
    return schema.parse(JSON.parse(atob(text)));
  } catch {
    throw queryProblem("cursor", "is none that an answer gave");
  }
}

/** For the answer; null: that was the last. */
export function writeCursor(place: object | string | null): string | null {
  return place === null ? null : btoa(JSON.stringify(place));
}

/** A list that goes on after an id. */
export const IdCursorSchema = z.string();
