/** From a node's task as it was sent to the one that its run keeps: as `core/make-task.ts` does for a submission. */

import type { RunId } from "../ids.ts";
import {
  checkPayload,
  type Fault,
  isTooFar,
  mergeOptions,
  optionsText,
  priorityOf,
  type TaskType,
  TOO_FAR,
  timeOf,
  under,
} from "../make-task.ts";
import { placementKey, placeTask } from "../placement.ts";
import type { QueueEntry } from "../schema/directory-rpc.ts";
import type { StepTask } from "../schema/workflow.ts";
import type { NodeTask } from "../schema/workflow-rpc.ts";
import { findRefs } from "./refs.ts";

export interface ResolvedStep {
  readonly type: TaskType;
  readonly entry: Pick<QueueEntry, "queue" | "settings">;
}

/**
 * A payload that refers to others is checked by its type when it is complete; here that it is JSON that can be kept.
 * @param run decides the shard, where no limitKey does: a run's tasks of one queue are together
 * @param now Unix ms
 * @returns the task, or a fault with pointers from the task's root
 */
export function makeNodeTask(told: StepTask, { type, entry }: ResolvedStep, run: RunId, now: number): NodeTask | Fault {
  const at = told.runAt === undefined ? null : timeOf({ runAt: told.runAt }, now);
  if (isTooFar(at, now)) return TOO_FAR;
  const refers = findRefs(told.payload).length > 0;
  const payload = checkPayload(told.payload, refers ? { ...type, payload: null } : type);
  if (typeof payload !== "string") return under("/payload", payload);
  const { limitKey, fairnessKey, delaySeconds, ttlSeconds } = told;
  const key = placementKey({ ...(limitKey !== undefined && { limitKey }), run });
  return {
    queue: entry.queue,
    // Keyed, so no draw is used.
    shard: placeTask(entry.settings, key, 0),
    type: told.type,
    version: type.version,
    priority: priorityOf(told.priority),
    payload,
    refers,
    delayMs: delaySeconds === undefined ? null : Math.round(delaySeconds * 1_000),
    runAt: at,
    ttlMs: ttlSeconds === undefined ? null : Math.max(1, Math.round(ttlSeconds * 1_000)),
    options: optionsText(mergeOptions(told, type)),
    ...(limitKey !== undefined && { limitKey }),
    ...(fairnessKey !== undefined && { fairnessKey }),
  };
}
