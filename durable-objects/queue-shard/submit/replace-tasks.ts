/**
 * Tasks that wait become what a later submission under their key tells. Who calls this has seen to it that they wait and
 * that their new lanes may be made (admission.ts).
 */
import type { Seq } from "../../../core/ids.ts";
import type { NewTask } from "../../../core/schema/rpc.ts";
import { bornAs } from "../../../core/submit-answer.ts";
import type { Shard } from "../shard.ts";
import { modeFor, optionsOf, storedOptions, type TaskRow, waitingRow } from "../task-rows.ts";
import { type Changes, changeWaiting } from "../waiting/change-waiting.ts";

/** Inside a transaction, also for tasks that it has just written. */
export function replaceTasks(shard: Shard, replaced: ReadonlyMap<Seq, NewTask>, now: number): void {
  for (const [seq, task] of replaced) {
    const row = waitingRow(shard.sql, seq);
    if (!row) throw new Error(`task ${seq} waits no more, and was to be replaced`);
    changeWaiting(shard, row, changesOf(row, task, now), "replaced", now);
  }
}

function changesOf(row: TaskRow, task: NewTask, now: number): Changes {
  return {
    ...whenOf(row, task, now),
    priority: task.priority,
    version: task.version,
    options: optionsFor(row, task),
    // A suspect stays one: what it did may not have been its payload's fault.
    mode: row.mode === "normal" ? modeFor(task.options) : row.mode,
    limit_key: task.limitKey ?? null,
    fairness_key: task.fairnessKey ?? null,
    expires_at: task.expiresAt ?? null,
    payload: task.payload,
  };
}

/** For how long its key is its own, the first submission said. */
function optionsFor(row: TaskRow, task: NewTask): string | null {
  const options = storedOptions(task);
  const { unique } = optionsOf(row);
  return unique ? JSON.stringify({ ...optionsOf({ options }), unique }) : options;
}

/** One that waits for its backoff goes on waiting for that, and for its new time if that is later. */
function whenOf({ status, run_at }: TaskRow, task: NewTask, now: number): Changes {
  if (status === "RETRYING") return { run_at: Math.max(run_at ?? now, task.runAt ?? 0) };
  if (bornAs(task, now) === "SCHEDULED") return { status: "SCHEDULED", run_at: task.runAt };
  return { status: "QUEUED", run_at: status === "QUEUED" ? run_at : now };
}
