/** What is done to a task that was submitted: it is cancelled, changed while it waits, or let run now. */
import { Problem } from "../../core/errors.ts";
import { taskId } from "../../core/ids.ts";
import type { Refusal } from "../../core/schema/answer.ts";
import type { TaskChanges } from "../../core/schema/rpc.ts";
import { TaskPatchSchema } from "../../core/schema/submission.ts";
import { isFinished } from "../../core/status.ts";
import { type Found, findTask } from "../../reads/find-tasks.ts";
import { changeTask } from "../change/change-task.ts";
import { readChanges } from "../change/read-changes.ts";
import { checkRevision, readRevision } from "../change/read-revision.ts";
import { type Ctx, type Door, noteTask } from "../door.ts";
import { checkBody, readJson, refuseFields } from "../middleware/read-body.ts";
import { showTask } from "./tasks.ts";

/** POST …/{id}/cancel: 200 where it is CANCELLED now or was before, 202 where it runs and was asked to stop. */
export async function cancelTask(door: Door, c: Ctx): Promise<Response> {
  await refuseFields(c.req.raw, door.env.bodyLimit);
  const rev = readRevision(c);
  const found = await changeTask(door, c.env.tenant, idOf(c), {
    // Its own doing is another revision.
    isRepeatable: rev === null,
    make: (shard, seq) => shard.cancel({ v: 1, seq, rev }),
  });
  const { status } = found.record;
  if (found.isKept) checkRevision(found.record, rev);
  if (isFinished(status) && status !== "CANCELLED") throw finished(found);
  return show(c, found, status === "RUNNING" ? 202 : 200);
}

/** PATCH …/{id}: priority, time or payload of a task that waits. */
export async function patchTask(door: Door, c: Ctx): Promise<Response> {
  const patch = checkBody(TaskPatchSchema, await readJson(c.req.raw, door.env.bodyLimit));
  const typeOf = async () => (await findTask(door, c.env.tenant, idOf(c), {})).record.type;
  const when = patch.delaySeconds === undefined ? "/runAt" : "/delaySeconds";
  return await change(door, c, await readChanges(door, patch, typeOf), { isSameAgain: false, when });
}

/** POST …/{id}/run-now: one that is put off, or waits to be tried again, is QUEUED. */
export async function runTaskNow(door: Door, c: Ctx): Promise<Response> {
  await refuseFields(c.req.raw, door.env.bodyLimit);
  return await change(door, c, { runAt: null }, { isSameAgain: true });
}

/** @param when the field that told the time: a shard knows it as runAt */
async function change(
  door: Door,
  c: Ctx,
  changes: TaskChanges,
  { isSameAgain, when }: { readonly isSameAgain: boolean; readonly when?: string },
): Promise<Response> {
  const rev = readRevision(c);
  const found = await changeTask(door, c.env.tenant, idOf(c), {
    isRepeatable: isSameAgain && rev === null,
    async make(shard, seq) {
      const answer = await shard.change({ v: 1, seq, rev, changes });
      return answer.ok ? answer : asTold(answer, when);
    },
  });
  if (isFinished(found.record.status)) checkRevision(found.record, rev);
  if (isFinished(found.record.status)) throw finished(found);
  return show(c, found, 200);
}

/** Without such a field no fault is that field's. */
function asTold(refusal: Refusal, when: string | undefined): Refusal {
  const errors = refusal.errors?.flatMap((error) => {
    if (error.pointer !== "/runAt") return [error];
    return when === undefined ? [] : [{ ...error, pointer: when }];
  });
  return errors ? { ...refusal, errors } : refusal;
}

function idOf(c: Ctx): string {
  return c.req.param("id") ?? "";
}

function show(c: Ctx, found: Found, status: number): Response {
  noteTask(c, taskId(found.at, found.record.seq));
  return showTask(found, status);
}

function finished({ record }: Found): Problem {
  return new Problem("task-finished", `The task is ${record.status}, and what is finished stays as it is.`);
}
