/** A task leaves RUNNING by any way but success: one guarded UPDATE, and memory in step with it. */
import type { AttemptError } from "../../core/errors.ts";
import type { LaneMode } from "../../core/lanes.ts";
import type { Attempt, TaskRecord } from "../../core/task.ts";
import { dropClaim } from "./claim.ts";
import { laneFor } from "./lane-rows.ts";
import type { Session } from "./memory.ts";
import { laneKeyOf } from "./memory.ts";
import { appendNotice } from "./notices.ts";
import { appendHistory } from "./outbox.ts";
import type { Shard } from "./shard.ts";
import { logAttempt, logMove, modeFor, recordOf, type TaskRow } from "./task-rows.ts";

const MOVE_IF_HELD = `UPDATE task SET status = ?3, session = NULL, rev = rev + 1, lane = ?4, run_at = ?5, ended_at = ?6,
  mode = ?7, attempt = ?8, spent = ?9, crashes = ?10, solo_crashes = ?11, attempts = ?12, attempts_dropped = ?13,
  moves = ?14, error = ?15
  WHERE seq = ?1 AND status = 'RUNNING' AND session = ?2`;

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

/** Inside a transaction. @returns the row as it is now */
export function leaveRunning(shard: Shard, session: Session, row: TaskRow, leaving: Leaving, now: number): TaskRow {
  const { memory, sql } = shard;
  const number = row.attempt + 1;
  const log = leaving.attempt
    ? logAttempt(row, { ...leaving.attempt, attempt: number, worker: session.worker.name })
    : null;
  const next: TaskRow = {
    ...row,
    status: leaving.to,
    rev: row.rev + 1,
    session: null,
    run_at: leaving.runAt ?? null,
    ended_at: leaving.to === "FAILED" ? now : null,
    mode: leaving.mode ?? (leaving.attempt && row.mode === "careful" ? modeFor(row.options) : row.mode),
    attempt: leaving.attempt ? number : row.attempt,
    spent: leaving.spent ?? row.spent,
    crashes: leaving.crashes ?? row.crashes,
    solo_crashes: leaving.soloCrashes ?? row.solo_crashes,
    attempts: log?.text ?? row.attempts,
    attempts_dropped: log?.dropped ?? row.attempts_dropped,
    moves: logMove(row, [leaving.to, now, leaving.cause]),
    error: leaving.error ? JSON.stringify(leaving.error) : row.error,
  };
  const lane = next.status === "QUEUED" ? laneFor(shard, laneKeyOf(next)) : null;
  sql.run(
    MOVE_IF_HELD,
    row.seq,
    session.id,
    next.status,
    lane?.no ?? 0,
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
  );
  dropClaim(memory, session, row.seq);
  if (lane) memory.lanes.enqueue(lane, row.seq);
  else if (next.run_at !== null) {
    memory.due.count++;
    memory.due.next = Math.min(memory.due.next ?? next.run_at, next.run_at);
  } else {
    memory.dead.count++;
    memory.dead.oldest = Math.min(memory.dead.oldest ?? now, now);
  }
  return next;
}

/** FAILED: the row stays as a dead letter, history gets its projection, the queue dead-letters its id. */
export function failTask(
  shard: Shard,
  session: Session,
  row: TaskRow,
  end: Omit<Leaving, "to" | "cause"> & { readonly error: AttemptError },
  now: number,
): TaskRecord {
  const record = recordOf(leaveRunning(shard, session, row, { ...end, to: "FAILED", cause: end.error.code }, now));
  appendHistory(shard, [record], now);
  appendNotice(shard, "dead-letters", row.seq, now);
  return record;
}
