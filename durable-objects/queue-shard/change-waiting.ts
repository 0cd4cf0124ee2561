/**
 * A task that waits is changed in place: its id, its age and its attempts stay. One guarded UPDATE, and memory in step
 * with it. Whoever changes it has seen to it that its new lane may be made (`MAX_LANES`).
 */
import type { Seq } from "../../core/ids.ts";
import type { NewTask } from "../../core/schema/rpc.ts";
import type { Shard } from "./shard.ts";
import { logMove, modeFor, type TaskRow, waitingRow } from "./task-rows.ts";
import { joinWaiting, laneOf, quitWaiting } from "./waiting.ts";

const CHANGE_IF_WAITING = `UPDATE task SET status = ?2, rev = ?3, lane = ?4, run_at = ?5, priority = ?6, version = ?7,
  options = ?8, mode = ?9, limit_key = ?10, fairness_key = ?11, moves = ?12, payload = ?13
  WHERE seq = ?1 AND status IN ('SCHEDULED', 'BLOCKED', 'QUEUED', 'RETRYING')`;

/** Inside a transaction. @param task what the row is to be from now on; of its own type */
export function changeWaiting(shard: Shard, row: TaskRow, task: NewTask, cause: string, now: number): void {
  const { status, run_at } = whenOf(row, task.runAt, now);
  const next: TaskRow = {
    ...row,
    status,
    run_at,
    rev: row.rev + 1,
    priority: task.priority,
    version: task.version,
    options: task.options,
    // A suspect stays one: what it did may not have been its payload's fault.
    mode: row.mode === "normal" ? modeFor(task.options) : row.mode,
    limit_key: task.limitKey ?? null,
    fairness_key: task.fairnessKey ?? null,
    moves: logMove(row, [status, now, cause]),
    payload: task.payload,
  };
  const lane = laneOf(shard, next)?.no ?? 0;
  shard.sql.run(
    CHANGE_IF_WAITING,
    next.seq,
    status,
    next.rev,
    lane,
    run_at,
    next.priority,
    next.version,
    next.options,
    next.mode,
    next.limit_key,
    next.fairness_key,
    next.moves,
    next.payload,
  );
  if (status === "BLOCKED") return;
  quitWaiting(shard, [row]);
  joinWaiting(shard, next);
}

/** Inside a transaction: tasks that wait, also those that it has just written, become what is told of them. */
export function replaceTasks(shard: Shard, replaced: ReadonlyMap<Seq, NewTask>, now: number): void {
  for (const [seq, task] of replaced) {
    const row = waitingRow(shard.sql, seq);
    if (!row) throw new Error(`task ${seq} waits no more, and was to be replaced`);
    changeWaiting(shard, row, task, "replaced", now);
  }
}

/** One that waits for its parents or for its backoff goes on waiting for that, and for its new time if that is later. */
function whenOf(row: TaskRow, runAt: number | null, now: number): Pick<TaskRow, "status" | "run_at"> {
  if (row.status === "BLOCKED") return { status: "BLOCKED", run_at: runAt };
  if (row.status === "RETRYING") return { status: "RETRYING", run_at: Math.max(row.run_at ?? now, runAt ?? 0) };
  return { status: runAt !== null && runAt > now ? "SCHEDULED" : "QUEUED", run_at: runAt };
}
