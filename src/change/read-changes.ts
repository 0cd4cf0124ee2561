/** What is told of a task that is there (priority, time, payload), checked, as its shard takes it. */
import { checkPayload, isTooFar, priorityOf, TOO_FAR, timeOf, under } from "../../core/make-task.ts";
import type { TaskChanges } from "../../core/schema/rpc.ts";
import type { TaskEdit } from "../../core/schema/submission.ts";
import { deadlineOf } from "../../reads/ask.ts";
import type { Door } from "../door.ts";
import { faultProblem } from "../middleware/problems.ts";
import { resolveType } from "../submit/resolve-task.ts";

/**
 * @param typeOf the task's type, which never changes; asked where a payload is told
 * @throws Problem where the time or the payload is none that the task may have
 */
export async function readChanges(
  door: Door,
  told: TaskEdit,
  typeOf: () => string | Promise<string>,
): Promise<TaskChanges> {
  const { priority, delaySeconds, runAt } = told;
  const now = door.ports.now();
  const isPutOff = delaySeconds !== undefined || runAt !== undefined;
  const at = isPutOff ? timeOf({ delaySeconds, runAt }, now) : null;
  if (isTooFar(at, now)) throw faultProblem(TOO_FAR);
  return {
    ...(priority !== undefined && { priority: priorityOf(priority) }),
    ...(isPutOff && { runAt: at }),
    ...("payload" in told && { payload: await readPayload(door, told.payload, await typeOf()) }),
  };
}

async function readPayload(door: Door, payload: unknown, name: string): Promise<NonNullable<TaskChanges["payload"]>> {
  const type = await resolveType(door, name, deadlineOf(door.ports));
  if ("code" in type) throw faultProblem(type);
  const text = checkPayload(payload, type);
  if (typeof text !== "string") throw faultProblem(under("/payload", text));
  return { text, version: type.version };
}
