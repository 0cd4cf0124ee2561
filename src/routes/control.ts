/** What is done to a task that was submitted: it is cancelled. */
import { Problem } from "../../core/errors.ts";
import { taskId } from "../../core/ids.ts";
import { isFinished } from "../../core/status.ts";
import { toTask } from "../../core/task.ts";
import { changeTask } from "../change/change-task.ts";
import { type Ctx, type Door, noteTask } from "../door.ts";
import { json } from "../middleware/answer.ts";
import { refuseFields } from "../middleware/read-body.ts";
import type { Found } from "../read/find-tasks.ts";

/** POST …/{id}/cancel: 200 where it is CANCELLED now or was before, 202 where it runs and was asked to stop. */
export async function cancelTask(door: Door, c: Ctx): Promise<Response> {
  await refuseFields(c.req.raw, door.env.bodyLimit);
  const found = await changeTask(door, c.env.tenant, c.req.param("id") ?? "", {
    isRepeatable: true,
    make: (shard, seq) => shard.cancel({ v: 1, seq }),
  });
  const { status } = found.record;
  if (isFinished(status) && status !== "CANCELLED") throw finished(found);
  return show(c, found, status === "RUNNING" ? 202 : 200);
}

function show(c: Ctx, { at, record }: Found, status: number): Response {
  noteTask(c, taskId(at, record.seq));
  return json(toTask(at.queue, at.shard, record), status);
}

function finished({ record }: Found): Problem {
  return new Problem("task-finished", `The task is ${record.status}, and what is finished stays as it is.`);
}
