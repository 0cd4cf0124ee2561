/** What was told of many tasks, as shards and the Directory are asked it: times as Unix ms, ids checked, edits as text. */
import { Problem } from "../../core/errors.ts";
import { parseTaskId, type QueueName, type TaskId } from "../../core/ids.ts";
import { checkPayload, isTooFar, priorityOf, TOO_FAR, tidy, under } from "../../core/make-task.ts";
import { parseTime } from "../../core/parse-time.ts";
import type { BulkTold, DeadFilterTold, Edit, LiveFilterTold } from "../../core/schema/bulk.ts";
import type { BulkWork, LiveFilter } from "../../core/schema/bulk-rpc.ts";
import type { DeadFilter, RedriveEdit } from "../../core/schema/dead-letters-rpc.ts";
import { deadlineOf } from "../../reads/ask.ts";
import type { Door } from "../door.ts";
import { faultProblem } from "../middleware/problems.ts";
import { resolveType } from "../submit/resolve-task.ts";

export interface Work {
  readonly work: BulkWork;
  readonly ids: readonly TaskId[] | undefined;
}

/** @throws Problem where an id is none of the queue's, or the edit is none that a task may have */
export async function readWork(door: Door, told: BulkTold): Promise<Work> {
  const ids = idsOf(told.filter.ids, told.queue as QueueName);
  switch (told.action) {
    case "cancel":
      return { ids, work: { action: "cancel", filter: liveFilterOf(told.filter) } };
    case "discard":
      return { ids, work: { action: "discard", filter: deadFilterOf(told.filter) } };
    case "redrive": {
      const edit = told.edit && (await readEdit(door, told.edit, told.filter.type));
      return { ids, work: { action: "redrive", filter: deadFilterOf(told.filter), ...(edit && { edit }) } };
    }
  }
}

/** `ids` left out: they are each shard's affair. */
export function deadFilterOf({ ids: _, from, to, ...told }: DeadFilterTold): DeadFilter {
  return tidy({ ...told, from: timeOf(from), to: timeOf(to) });
}

function liveFilterOf({ ids: _, submittedAfter, submittedBefore, ...told }: LiveFilterTold): LiveFilter {
  return tidy({ ...told, submittedAfter: timeOf(submittedAfter), submittedBefore: timeOf(submittedBefore) });
}

/**
 * @param type of all tasks that are meant, where that is known: a whole payload is checked by it now
 * @throws Problem with pointers below `/edit`
 */
export async function readEdit(door: Door, edit: Edit, type: string | undefined): Promise<RedriveEdit> {
  const { payloadPatch, priority, delaySeconds, runAt, timeoutMs, retry } = edit;
  const at = timeOf(runAt);
  if (isTooFar(at ?? null, door.ports.now())) throw faultProblem(under("/edit", TOO_FAR));
  return tidy({
    payload: "payload" in edit ? await readPayload(door, edit.payload, type) : undefined,
    payloadPatch: payloadPatch && JSON.stringify(payloadPatch),
    priority: priority === undefined ? undefined : priorityOf(priority),
    delayMs: delaySeconds === undefined ? undefined : Math.round(delaySeconds * 1_000),
    runAt: at,
    timeoutMs,
    retry: retry && tidy(retry),
  });
}

async function readPayload(door: Door, payload: unknown, name: string | undefined): Promise<string> {
  if (name === undefined) return JSON.stringify(payload);
  const type = await resolveType(door, name, deadlineOf(door.ports));
  if ("code" in type) throw faultProblem(under("/filter", type));
  const text = checkPayload(payload, type);
  if (typeof text !== "string") throw faultProblem(under("/edit/payload", text));
  return text;
}

/** Each once. @throws Problem for one that is no id of the queue's */
export function idsOf(told: readonly string[] | undefined, queue: QueueName): readonly TaskId[] | undefined {
  if (told === undefined) return undefined;
  const errors = told.flatMap((id, i) =>
    parseTaskId(id)?.queue === queue ? [] : [{ pointer: `/filter/ids/${i}`, detail: `is no id of a task of ${queue}` }],
  );
  if (errors.length > 0) throw new Problem("invalid-request", "An id is none of the queue's tasks.", { errors });
  return [...new Set(told as TaskId[])];
}

/** Unix ms, not after now, as nothing has ended later; null: nothing was told. */
export function asOfOf({ ports }: Door, text: string | undefined): number | null {
  return text === undefined ? null : Math.min(ports.now(), parseTime(text) ?? 0);
}

/** Of a time that was checked. */
function timeOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : (parseTime(text) ?? undefined);
}
