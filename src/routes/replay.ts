/** POST /tasks/submissions/{id}/replay: a finished task again, as a new one in its shard; each tells of the other. */
import { Problem } from "../../core/errors.ts";
import { type TaskId, taskId } from "../../core/ids.ts";
import { type Fault, under } from "../../core/make-task.ts";
import { isUnfilled, replayOf } from "../../core/replay.ts";
import type { Idempotency } from "../../core/schema/answer.ts";
import { TaskEditSchema } from "../../core/schema/submission.ts";
import { isFinished } from "../../core/status.ts";
import { acceptedTasks } from "../../core/submit-answer.ts";
import { NO_PAYLOAD } from "../../core/task.ts";
import { deadlineOf, problemOf } from "../../reads/ask.ts";
import { findTask } from "../../reads/find-tasks.ts";
import { readChanges } from "../change/read-changes.ts";
import { type Ctx, type Door, noteTask } from "../door.ts";
import { json } from "../middleware/answer.ts";
import { faultProblem } from "../middleware/problems.ts";
import { checkBody, readOptionalBody } from "../middleware/read-body.ts";
import { hashText } from "../submit/hash.ts";
import { readIdempotency } from "../submit/idempotency.ts";
import { placeTasks } from "../submit/place-tasks.ts";
import { acceptedView, replayed } from "../submit/show-accepted.ts";

export async function replayTask(door: Door, c: Ctx): Promise<Response> {
  const { value = {}, bytes } = await readOptionalBody(c.req.raw, door.env.bodyLimit);
  const edit = checkBody(TaskEditSchema, value);
  const { tenant } = c.env;
  const { at, record } = await findTask(door, tenant, c.req.param("id") ?? "", { texts: true });
  const id = taskId(at, record.seq);
  if (!isFinished(record.status))
    throw new Problem("task-unfinished", `The task is ${record.status}; only what has ended is run again.`);
  const changes = await readChanges(door, edit, () => record.type);
  if (record.payload === NO_PAYLOAD && changes.payload === undefined) throw faultProblem(NOT_KEPT);
  if (changes.payload === undefined && isUnfilled(record)) throw faultProblem(UNFILLED);
  const deadline = deadlineOf(door.ports);
  const entry = await door.known.queue(at.queue, false, deadline);
  if (entry === null) throw new Problem("queue-unknown", `The queue ${at.queue} of the task is no more.`);
  const task = replayOf(record, id, changes);
  const idempotency = await ofTask(id, await readIdempotency(c.req.raw.headers, bytes));
  const repeats = { shard: at.shard, record };
  const placed = await placeTasks(door, { tenant, entry, tasks: [task], atomic: true, idempotency, deadline, repeats });
  if ("ok" in placed) throw problemOf(placed);
  const view = acceptedView(entry, placed.shard, acceptedTasks([task], placed.answer)[0]);
  noteTask(c, view.id);
  const headers = { location: `/tasks/submissions/${view.id}`, ...replayed(placed.answer.replayed) };
  return json({ ...view, replayOf: id }, 202, headers);
}

const NOT_KEPT = noPayload("was not kept (keepPayload: false)", "was not kept");
const UNFILLED = noPayload(
  "refers to other nodes of its run, and it ended before they did (POST /workflows/{id}/retry runs it in its run)",
  "was never filled in",
);

function noPayload(why: string, short: string): Fault {
  return under("/payload", {
    code: "invalid-request",
    detail: `The task's payload ${why}. Send one with the replay.`,
    errors: [{ pointer: "", detail: `is required, as the task's own ${short}` }],
  });
}

/** The same key under another task is another request. */
async function ofTask(id: TaskId, told: Idempotency | null): Promise<Idempotency | null> {
  return told && { ...told, fingerprint: await hashText(`replay ${id} ${told.fingerprint}`) };
}
