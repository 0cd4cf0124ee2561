/**
 * The latest 100 fires of each schedule: what each made and how that has ended, or why it made nothing. Written when the
 * shard has taken the fire, and again when it tells of the end; an end that comes first makes the row. What stands here
 * as not ended is what overlap is decided by, so where that matters such a row is kept beyond the hundred.
 */
import type { RunId, TaskId } from "../../core/ids.ts";
import type { FireStatus } from "../../core/overlap.ts";
import type { ScheduleRecord } from "../../core/schema/schedule-rpc.ts";
import type { FireEnd } from "../../core/schema/workflow-rpc.ts";
import type { ScheduleRow } from "./schedule-row.ts";
import type { DirectoryState } from "./state.ts";

const MADE = `INSERT INTO fire (schedule, fire_at, made, fired_at) VALUES (?1, ?2, ?3, ?4)
  ON CONFLICT (schedule, fire_at) DO UPDATE SET fired_at = ?4 WHERE fired_at IS NULL`;
const NONE = `INSERT INTO fire (schedule, fire_at, made, status, count, reason) VALUES (?1, ?2, '', ?3, ?4, ?5)
  ON CONFLICT (schedule, fire_at) DO NOTHING`;
// Of a schedule that was deleted, and made again under its id, it is told for nothing. Told twice, or late, an end changes nothing that is newer; what was heard goes before what was only supposed.
const ENDED = `INSERT INTO fire (schedule, fire_at, made, status, ended_at, code)
  SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE EXISTS (SELECT 1 FROM schedule WHERE id = ?1 AND created_at <= ?2)
    OR EXISTS (SELECT 1 FROM fire WHERE schedule = ?1 AND fire_at = ?2 AND made = ?3)
  ON CONFLICT (schedule, fire_at) DO UPDATE
    SET made = ?3, status = ?4, ended_at = ?5, code = ?6, count = 1, reason = NULL, cancel_at = NULL
    WHERE ended_at IS NULL OR status = 'UNKNOWN' OR ended_at < ?5`;
const LOST = `UPDATE fire SET status = 'UNKNOWN', ended_at = ?3, reason = ?4, cancel_at = NULL
  WHERE schedule = ?1 AND fire_at = ?2 AND status IS NULL`;
const FORGET = "DELETE FROM fire WHERE schedule = ?";
const TRIM = `DELETE FROM fire WHERE schedule = ?1
  AND fire_at < (SELECT fire_at FROM fire WHERE schedule = ?1 ORDER BY fire_at DESC LIMIT 1 OFFSET ?2)
  AND (status IS NOT NULL OR EXISTS (SELECT 1 FROM schedule WHERE id = ?1 AND overlap IS NULL))`;
const OPEN = `SELECT schedule, fire_at AS fireAt, made FROM fire
  WHERE schedule = ?1 AND status IS NULL AND fire_at < ?2 ORDER BY fire_at`;
const TO_CANCEL = `UPDATE fire SET cancel_at = ?3
  WHERE schedule = ?1 AND status IS NULL AND cancel_at IS NULL AND fire_at < ?2`;
const NEWEST = "SELECT max(fire_at) AS fireAt FROM fire WHERE schedule = ? AND made <> ''";
const LAST_STATUS = `SELECT status FROM fire WHERE schedule = ? AND status IS NOT NULL AND made <> ''
  ORDER BY fire_at DESC LIMIT 1`;
const FAILURES = `SELECT count(*) AS failures FROM fire WHERE schedule = ?1 AND fire_at > ?2
  AND status IN ('FAILED', 'EXPIRED')
  AND fire_at > coalesce((SELECT max(fire_at) FROM fire WHERE schedule = ?1 AND status = 'SUCCEEDED'), 0)`;

const MOST_KEPT = 100;

/** A fire whose end is not known. */
export interface OpenFire {
  readonly schedule: string;
  readonly fireAt: number;
  readonly made: TaskId | RunId;
}

/** Inside a transaction. @param made a task or a run */
export function noteMade(state: DirectoryState, schedule: string, fireAt: number, made: TaskId | RunId): void {
  state.sql.run(MADE, schedule, fireAt, made, state.ports.now());
  state.sql.run(TRIM, schedule, MOST_KEPT - 1);
}

/** Inside a transaction. @param count how many came to nothing; `fireAt` is the oldest of them */
export function noteNone(
  state: DirectoryState,
  schedule: string,
  fireAt: number,
  { status, count, reason }: { readonly status: "SKIPPED" | "MISSED"; readonly count: number; readonly reason: string },
): void {
  state.sql.run(NONE, schedule, fireAt, status, count, reason);
  state.sql.run(TRIM, schedule, MOST_KEPT - 1);
}

/** Inside a transaction. */
export function noteEnd(state: DirectoryState, { schedule, fireAt, made, status, endedAt, error }: FireEnd): void {
  state.sql.run(ENDED, schedule, fireAt, made, status, endedAt, error?.code ?? null);
}

/** Nobody knows how it ended, and it runs no longer. Inside a transaction. */
export function noteLost(state: DirectoryState, { schedule, fireAt }: OpenFire, why: string): void {
  state.sql.run(LOST, schedule, fireAt, state.ports.now(), why);
}

/** Inside a transaction. */
export function forgetMade(state: DirectoryState, schedule: string): void {
  state.sql.run(FORGET, schedule);
}

/** Fires before `fireAt` that have not ended, as far as is known, the oldest first. */
export function openFires(state: DirectoryState, schedule: string, fireAt: number): OpenFire[] {
  return state.sql.all<OpenFire>(OPEN, schedule, fireAt);
}

/** Those before `fireAt` are to be cancelled. Inside a transaction. */
export function markToCancel(state: DirectoryState, schedule: string, fireAt: number): void {
  state.sql.run(TO_CANCEL, schedule, fireAt, state.ports.now());
}

/** The latest fire that made something; null: none has. */
export function newestFire(state: DirectoryState, schedule: string): number | null {
  return state.sql.all<{ fireAt: number | null }>(NEWEST, schedule)[0]?.fireAt ?? null;
}

/** What a schedule tells of its ended fires. One that was cancelled is no failure and ends no row of them. */
export function howItWent(
  state: DirectoryState,
  row: Pick<ScheduleRow, "id" | "counted_from">,
): Pick<ScheduleRecord, "lastStatus" | "failuresInRow"> {
  const [last] = state.sql.all<{ status: FireStatus }>(LAST_STATUS, row.id);
  const [counted] = state.sql.all<{ failures: number }>(FAILURES, row.id, row.counted_from);
  return { lastStatus: last?.status ?? null, failuresInRow: counted?.failures ?? 0 };
}
