/** What an operator should know and nobody asked for: dead tickets, missed fires, steps of autoscale. Newest first. */
import { z } from "zod";
import { EVENT_KINDS } from "../../core/schema/directory-rpc.ts";
import { iso } from "../../core/task.ts";
import { askDirectory } from "../ask-directory.ts";
import type { Ctx, Door } from "../door.ts";
import { json } from "../middleware/answer.ts";
import { readCursor, writeCursor } from "../read/cursor.ts";
import { readQueue, readWhole, readWord } from "../read/read-query.ts";

const MAX_LISTED = 100;
const CursorSchema = z.strictObject({ before: z.int() });

/** `?queue=`, `?kind=`, `?limit=` (100), `?cursor=` of the answer before. */
export async function listOperatorEvents(door: Door, c: Ctx): Promise<Response> {
  const queue = readQueue(c);
  const kind = readWord(c, "kind", EVENT_KINDS);
  const limit = readWhole(c, "limit", 1, MAX_LISTED) ?? MAX_LISTED;
  const cursor = readCursor(c, CursorSchema);
  const narrowed = { ...(queue && { queue }), ...(kind && { kind }), before: cursor?.before ?? null };
  const { events, next } = await askDirectory(door, c, (directory) => directory.events({ v: 1, ...narrowed, limit }));
  const views = events.map(({ at, kind, detail, queue = null }) => ({ at: iso(at), kind, queue, detail }));
  return json({ events: views, cursor: writeCursor(next === null ? null : { before: next }) });
}
