/**
 * GET /tasks/submissions/{id}/events: a task's moves and progress as Server-Sent Events, from the first or from where
 * `Last-Event-ID` says, until its end.
 */
import { Problem } from "../../core/errors.ts";
import { taskId } from "../../core/ids.ts";
import { isMoveId } from "../../core/move-ids.ts";
import { isFinished } from "../../core/status.ts";
import { findTask } from "../../reads/find-tasks.ts";
import { type Ctx, type Door, noteTask } from "../door.ts";
import { END_ID, streamEvents } from "../live/stream-events.ts";

const HEADERS = {
  "content-type": "text/event-stream",
  "cache-control": "no-store",
  // nginx keeps answers back otherwise, until it has a buffer full.
  "x-accel-buffering": "no",
};

export async function streamTaskEvents(door: Door, c: Ctx): Promise<Response> {
  const lastId = readLastId(c);
  const found = await findTask(door, c.env.tenant, c.req.param("id") ?? "", {});
  noteTask(c, taskId(found.at, found.record.seq));
  // A client that has seen the end comes again by itself, unless it is told that there is nothing to come for.
  if (lastId === END_ID && isFinished(found.record.status)) return new Response(null, { status: 204 });
  return new Response(streamEvents(door, c.env.tenant, found, lastId === END_ID ? null : lastId), { headers: HEADERS });
}

function readLastId(c: Ctx): string | null {
  const told = c.req.header("last-event-id");
  if (told === undefined || told === "") return null;
  if (told === END_ID || isMoveId(told)) return told;
  const detail = "must be the id of an event of this task's, as it was told";
  throw new Problem("invalid-request", `The header Last-Event-ID ${detail}.`, {
    errors: [{ pointer: "Last-Event-ID:", detail }],
  });
}
