/**
 * A task leaves RUNNING by any way but success: one guarded statement, and memory in step with it. Must stay true: a
 * task whose cancellation was asked for goes nowhere but to CANCELLED, whatever else would have become of it, and one
 * whose time to begin is over does not come back to wait.
 */
import type { AttemptError } from "../../../core/errors.ts";
import type { LaneMode } from "../../../core/lanes.ts";
import type { Attempt, TaskRecord } from "../../../core/task.ts";
import { deadBytes, noteDead } from "../dead/dead-rows.ts";
import { endTasks } from "../ended/end-tasks.ts";
import { noticeDead } from "../ended/notices.ts";
import type { Session } from "../memory.ts";
import type { Shard } from "../shard.ts";
import {
  type Ending,
  endedRecord,
  logAsked,
  logAttempt,
  logMove,
  modeFor,
  moveTo,
  payloadForHistory,
  recordOf,
  type TaskRow,
  upgradeOf,
} from "../task-rows.ts";
import { joinWaiting, laneOf } from "../waiting/waiting.ts";
import { dropClaim } from "./claim.ts";

const MOVE_IF_HELD = `UPDATE task SET status = ?3, session = NULL, rev = rev + 1, lane = ?4, run_at = ?5, ended_at = ?6,
  mode = ?7, attempt = ?8, spent = ?9, crashes = ?10, solo_crashes = ?11, attempts = ?12, attempts_dropped = ?13,
  moves = ?14, error = ?15, dead_bytes = ?16
  WHERE seq = ?1 AND status = 'RUNNING' AND session = ?2`;
const DELETE_IF_HELD = "DELETE FROM task WHERE seq = ?1 AND status = 'RUNNING' AND session = ?2";

/** What changes beside the status; what is not named stays. */
export interface Leaving {
  readonly to: "QUEUED" | "SCHEDULED" | "RETRYING" | "FAILED";
  /** For the timeline. */
  readonly cause: string;
  /** The attempt that ends; absent where none had begun. */
  readonly attempt?: Pick<Attempt, "startedAt" | "endedAt" | "outcome" | "error">;
  readonly runAt?: number;
  readonly mode?: LaneMode;
  readonly spent?: number;
  readonly crashes?: number;
  readonly soloCrashes?: number;
  readonly error?: AttemptError;
}

/** Inside a transaction. @returns the task where it has ended by that */
export function leaveRunning(
  shard: Shard,
  session: Session,
  row: TaskRow,
  leaving: Leaving,
  now: number,
): TaskRecord[] {
  const claim = session.claims.get(row.seq);
  const cancelAt = claim?.cancelAt ?? null;
  const left = afterRun(session, row, leaving);
  dropClaim(shard.memory, session, row.seq, now);
  const { cause } = leaving;
  const run = leaving.attempt ? left.attempt : undefined;
  if (claim && cancelAt !== null) {
    const asked = { ...left, moves: logAsked(left, run, cancelAt) };
    return [end(shard, session, asked, { to: "CANCELLED", cause: `cancelled: ${cause}`, run }, now)];
  }
  if (leaving.to !== "FAILED" && row.expires_at !== null && row.expires_at <= now)
    return [end(shard, session, left, { to: "EXPIRED", cause: `its time to begin was over: ${cause}`, run }, now)];
  const next: TaskRow = {
    ...left,
    status: leaving.to,
    rev: row.rev + 1,
    session: null,
    // What comes back to wait has been due since it was.
    run_at: leaving.runAt ?? (leaving.to === "QUEUED" ? row.run_at : null),
    ended_at: leaving.to === "FAILED" ? Math.max(now, shard.memory.deadCountedTo + 1) : null,
    moves: logMove(row, moveTo(leaving.to, now, cause, { until: leaving.runAt, run })),
  };
  shard.sql.run(
    MOVE_IF_HELD,
    row.seq,
    session.id,
    next.status,
    laneOf(shard, next)?.no ?? 0,
    next.run_at,
    next.ended_at,
    next.mode,
    next.attempt,
    next.spent,
    next.crashes,
    next.solo_crashes,
    next.attempts,
    next.attempts_dropped,
    next.moves,
    next.error,
    next.status === "FAILED" ? deadBytes(next) : null,
  );
  if (next.status === "FAILED") return [bury(shard, next, now)];
  joinWaiting(shard, next);
  return [];
}

/** What the run has left behind in the row, wherever the task goes. */
function afterRun(session: Session, row: TaskRow, leaving: Leaving): TaskRow {
  const number = row.attempt + 1;
  const log = leaving.attempt
    ? logAttempt(row, {
        ...leaving.attempt,
        attempt: number,
        worker: session.worker.name,
        ...upgradeOf(session.worker, row),
      })
    : null;
  return {
    ...row,
    mode: leaving.mode ?? (leaving.attempt && row.mode === "careful" ? modeFor(row.options) : row.mode),
    attempt: leaving.attempt ? number : row.attempt,
    spent: leaving.spent ?? row.spent,
    crashes: leaving.crashes ?? row.crashes,
    solo_crashes: leaving.soloCrashes ?? row.solo_crashes,
    attempts: log?.text ?? row.attempts,
    attempts_dropped: log?.dropped ?? row.attempts_dropped,
    error: leaving.error ? JSON.stringify(leaving.error) : row.error,
  };
}

function end(shard: Shard, session: Session, row: TaskRow, ending: Ending, now: number): TaskRecord {
  shard.sql.run(DELETE_IF_HELD, row.seq, session.id);
  const record = endedRecord(row, ending, now);
  endTasks(shard, [record], now);
  return record;
}

/** FAILED: the row stays as a dead letter, history gets its projection, the queue dead-letters its id. */
function bury(shard: Shard, row: TaskRow, now: number): TaskRecord {
  noteDead(shard, row);
  const record = recordOf({ ...row, payload: payloadForHistory(row) });
  endTasks(shard, [record], now);
  noticeDead(shard, row.seq, now);
  return record;
}
