/**
 * What is left of a task whose data was deleted: that it was, how it ended and when. It is a row of history like any
 * other, of a revision that none is above; so whatever of the task is still on its way to D1, or is sent again, comes
 * too late, in whichever order they arrive.
 */
import type { TaskRecord } from "../core/task.ts";
import { NO_PAYLOAD } from "../core/task.ts";
import type { HistoryRow } from "./record.ts";

const DELETED_REV = Number.MAX_SAFE_INTEGER;
const DAY_MS = 86_400_000;

/**
 * @param task that has ended
 * @param historyTtlSeconds of the queue; less than a day counts as a day, so that nothing on its way outlives it
 * @param now Unix ms
 */
export function tombstoneOf(
  { seq, status, createdAt, endedAt }: Pick<TaskRecord, "seq" | "status" | "createdAt" | "endedAt">,
  historyTtlSeconds: number,
  now: number,
): HistoryRow {
  const expiresAt = now + Math.max(DAY_MS, historyTtlSeconds * 1_000);
  return [seq, DELETED_REV, status, "", createdAt, endedAt ?? now, expiresAt, null, [1, 0, []], NO_PAYLOAD, null];
}

/** Whether a record is all that is left of its task. */
export function isDeleted({ rev }: Pick<TaskRecord, "rev">): boolean {
  return rev === DELETED_REV;
}
