/** If-Match: whether a task is still as its reader saw it. */
import type { Refusal } from "../../../core/schema/answer.ts";
import type { TaskRecord } from "../../../core/task.ts";
import { isDeleted } from "../../../history/tombstone.ts";
import { refuse } from "../shard.ts";

/** null: it has that revision, or the shard does not have it. What is left of a deleted task is nobody's revision. */
export function findRevisionFault(task: TaskRecord | null, rev: number): Refusal | null {
  if (task === null || task.rev === rev || isDeleted(task)) return null;
  return refuse("rev-mismatch", `The task has revision ${task.rev} by now, not ${rev}.`);
}
