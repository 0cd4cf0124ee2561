/** What an operator should know and nobody asked for: dead tickets, missed fires, refused history. Newest first. */
import { iso } from "../../core/task.ts";
import { askDirectory } from "../ask-directory.ts";
import type { Ctx, Door } from "../door.ts";
import { json } from "../middleware/answer.ts";

export async function listOperatorEvents(door: Door, c: Ctx): Promise<Response> {
  const { events } = await askDirectory(door, c, (directory) => directory.events({ v: 1 }));
  const newestFirst = events.toSorted((a, b) => b.at - a.at);
  return json({ events: newestFirst.map(({ at, kind, detail }) => ({ at: iso(at), kind, detail })) });
}
