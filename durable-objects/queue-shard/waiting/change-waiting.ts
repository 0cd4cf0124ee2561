/**
 * A task that waits is changed in place: its id, its age and its attempts stay. One guarded UPDATE, and memory in step
 * with it.
 */
import type { Shard } from "../shard.ts";
import { logMove, moveTo, type TaskRow } from "../task-rows.ts";
import { joinWaiting, laneOf, quitWaiting } from "./waiting.ts";

const CHANGE_IF_WAITING = `UPDATE task SET status = ?2, lane = ?3, rev = ?4, moves = ?5, run_at = ?6, expires_at = ?7,
  priority = ?8, version = ?9, options = ?10, mode = ?11, limit_key = ?12, fairness_key = ?13, payload = ?14
  WHERE seq = ?1 AND status IN ('SCHEDULED', 'BLOCKED', 'QUEUED', 'RETRYING')`;

/** What may change of a task that waits. */
export type Changes = Partial<
  Pick<
    TaskRow,
    | "status"
    | "run_at"
    | "expires_at"
    | "priority"
    | "version"
    | "options"
    | "mode"
    | "limit_key"
    | "fairness_key"
    | "payload"
  >
>;

/** Inside a transaction. @param cause for the timeline @returns the row as it is now */
export function changeWaiting(shard: Shard, row: TaskRow, changes: Changes, cause: string, now: number): TaskRow {
  const changed = { ...row, ...changes };
  const until = changed.status === "QUEUED" ? null : changed.run_at;
  const move = moveTo(changed.status, now, cause, { until });
  const next: TaskRow = { ...changed, rev: row.rev + 1, moves: logMove(row, move) };
  shard.sql.run(
    CHANGE_IF_WAITING,
    next.seq,
    next.status,
    laneOf(shard, next)?.no ?? 0,
    next.rev,
    next.moves,
    next.run_at,
    next.expires_at,
    next.priority,
    next.version,
    next.options,
    next.mode,
    next.limit_key,
    next.fairness_key,
    next.payload,
  );
  quitWaiting(shard, [row]);
  joinWaiting(shard, next);
  return next;
}
