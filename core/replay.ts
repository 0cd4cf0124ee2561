/** A finished task is run again: as a new task, with what the old one was told; each tells of the other. Pure. */
import type { TaskId } from "./ids.ts";
import { optionsText } from "./make-task.ts";
import type { NewTask, TaskChanges } from "./schema/rpc.ts";
import { NO_PAYLOAD, type TaskRecord } from "./task.ts";
import { findRefs } from "./workflow/refs.ts";

/** Of those that repeat a task, the latest so many are told. */
export const MAX_REPLAYS_TOLD = 20;

/**
 * The task that repeats `record`, whose id is `of`: attempts, crashes and time to begin are its own.
 * @param edit what is to be otherwise the second time
 */
export function replayOf(record: TaskRecord, of: TaskId, edit: TaskChanges): NewTask {
  const { tags, links = {} } = record;
  // What decided whether the first one was made, or ran, is not repeated: this one is made, and runs.
  const { unique: _, debounceSeconds: __, throttleSeconds: ___, cacheMode: ____, ...options } = record.options ?? {};
  return {
    type: record.type,
    version: edit.payload?.version ?? record.version,
    priority: edit.priority ?? record.priority,
    payload: edit.payload?.text ?? record.payload,
    runAt: edit.runAt ?? null,
    options: optionsText({ ...options, ...(tags.length > 0 && { tags }), replayOf: of }),
    ...(links.limitKey !== undefined && { limitKey: links.limitKey }),
    ...(links.fairnessKey !== undefined && { fairnessKey: links.fairnessKey }),
  };
}

/** Whether its payload still refers to what other nodes of its run give: it ended before its run filled it in. */
export function isUnfilled({ links, moves, payload }: TaskRecord): boolean {
  const isNode = links?.partOf !== undefined && "run" in links.partOf;
  if (!isNode || moves.at(-2)?.[0] !== "BLOCKED" || payload === NO_PAYLOAD) return false;
  return findRefs(JSON.parse(payload)).length > 0;
}

/** The record after `by` came to repeat it, one revision higher. */
export function repeatedBy(record: TaskRecord, by: TaskId): TaskRecord {
  const replayedBy = [...(record.links?.replayedBy ?? []), by].slice(-MAX_REPLAYS_TOLD);
  return { ...record, rev: record.rev + 1, links: { ...record.links, replayedBy } };
}
