/**
 * The latest 100 fires of each schedule: what each made and how that has ended, or why it made nothing. Written when the
 * shard has taken the fire, and again when it tells of the end. Beyond the hundred those are kept that something goes by:
 * what has not ended (overlap; its end is yet to count), the latest success, and the failures since then (`disableAfter`),
 * 100 of them; of more there is only a number, in the schedule's row.
 * Must stay true: a fire whose row is gone has been counted, so its end is told for nothing.
 */
import type { RunId, TaskId } from "../../../core/ids.ts";
import type { FireStatus } from "../../../core/overlap.ts";
import type { ScheduleRecord } from "../../../core/schema/schedule-rpc.ts";
import type { FireEnd } from "../../../core/schema/workflow-rpc.ts";
import type { ScheduleRow } from "../schedules/schedule-row.ts";
import type { DirectoryState } from "../state.ts";

const MADE = `INSERT INTO fire (schedule, fire_at, made, fired_at) VALUES (?1, ?2, ?3, ?4)
  ON CONFLICT (schedule, fire_at) DO UPDATE SET fired_at = ?4 WHERE fired_at IS NULL`;
const NONE = `INSERT INTO fire (schedule, fire_at, made, status, count, reason) VALUES (?1, ?2, '', ?3, ?4, ?5)
  ON CONFLICT (schedule, fire_at) DO NOTHING`;
// Told twice, or late, it changes nothing that is newer; what was heard goes before what was only supposed.
const ENDED = `UPDATE fire
  SET made = ?3, status = ?4, ended_at = ?5, code = ?6, fired_at = coalesce(fired_at, ?7), count = 1, reason = NULL,
    cancel_at = NULL
  WHERE schedule = ?1 AND fire_at = ?2 AND (ended_at IS NULL OR status = 'UNKNOWN' OR ended_at < ?5)
  RETURNING 1 AS one`;
const WAS_MISSED = "SELECT 1 AS one FROM fire WHERE schedule = ? AND fire_at = ? AND status = 'MISSED'";
const LOST = `UPDATE fire SET status = 'UNKNOWN', ended_at = ?3, reason = ?4, cancel_at = NULL
  WHERE schedule = ?1 AND fire_at = ?2 AND status IS NULL`;
const FORGET = "DELETE FROM fire WHERE schedule = ?";
const NTH = `SELECT fire_at AS fireAt, status FROM fire WHERE schedule = ?1 ORDER BY fire_at DESC LIMIT 1 OFFSET ?2`;
const TRIM = "DELETE FROM fire WHERE schedule = ?1 AND fire_at IN (SELECT value FROM json_each(?2))";
const COUNTED_FROM = "SELECT counted_from AS at FROM schedule WHERE id = ?";
const COUNT_TRIMMED = "UPDATE schedule SET failed_before = failed_before + ?2 WHERE id = ?1";
const FORGET_TRIMMED = `UPDATE schedule SET failed_before = 0 WHERE id = ?1 AND failed_before > 0
  AND ?2 > coalesce((SELECT min(fire_at) FROM fire WHERE schedule = ?1 AND status IN ('FAILED', 'EXPIRED')), 0)`;
// Of all that were made: the latest first.
const ENDS = `SELECT fire_at AS fireAt, status, made FROM fire WHERE schedule = ? AND status IS NOT NULL
  ORDER BY fire_at DESC`;
const OPEN = `SELECT schedule, fire_at AS fireAt, made FROM fire
  WHERE schedule = ?1 AND status IS NULL AND fire_at < ?2 ORDER BY fire_at LIMIT 100`;
const TO_CANCEL = `UPDATE fire SET cancel_at = ?3
  WHERE schedule = ?1 AND status IS NULL AND cancel_at IS NULL AND fire_at < ?2`;
const NEWEST = "SELECT max(fire_at) AS fireAt FROM fire WHERE schedule = ? AND made <> ''";

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
  trimOver(state, schedule);
}

/** Inside a transaction. @param count how many came to nothing; `fireAt` is the oldest of them */
export function noteNone(
  state: DirectoryState,
  schedule: string,
  fireAt: number,
  { status, count, reason }: { readonly status: "SKIPPED" | "MISSED"; readonly count: number; readonly reason: string },
): void {
  state.sql.run(NONE, schedule, fireAt, status, count, reason);
  trimOver(state, schedule);
}

/** Inside a transaction. */
export function noteEnd(state: DirectoryState, { schedule, fireAt, made, status, endedAt, error }: FireEnd): void {
  if (
    state.sql.all(ENDED, schedule, fireAt, made, status, endedAt, error?.code ?? null, state.ports.now()).length === 0
  )
    return;
  // Where it is older than all that are known to have failed, it is not known which of the others came after it.
  if (status === "SUCCEEDED") state.sql.run(FORGET_TRIMMED, schedule, fireAt);
  trimEnded(state, schedule);
}

/** Whether it was given up, though it may have been taken. */
export function wasMissed(state: DirectoryState, { schedule, fireAt }: Pick<FireEnd, "schedule" | "fireAt">): boolean {
  return state.sql.all(WAS_MISSED, schedule, fireAt).length > 0;
}

/** Nobody knows how it ended, and it runs no longer. Inside a transaction. */
export function noteLost(state: DirectoryState, { schedule, fireAt }: OpenFire, why: string): void {
  state.sql.run(LOST, schedule, fireAt, state.ports.now(), why);
  trimEnded(state, schedule);
}

/** Inside a transaction. */
export function forgetMade(state: DirectoryState, schedule: string): void {
  state.sql.run(FORGET, schedule);
}

/** Fires before `fireAt` that have not ended, as far as is known, the oldest first, a hundred at most. */
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

/** One is more than there was: what fell out of the hundred is looked at. Where thousands are under way, nothing else is. */
function trimOver(state: DirectoryState, schedule: string): void {
  const [over] = state.sql.all<{ status: FireStatus | null }>(NTH, schedule, MOST_KEPT);
  if (over && over.status !== null) trim(state, schedule);
}

/** One has ended, which may have been kept for that alone, or a failure that counts no more. */
function trimEnded(state: DirectoryState, schedule: string): void {
  if (state.sql.all(NTH, schedule, MOST_KEPT).length > 0) trim(state, schedule);
}

function trim(state: DirectoryState, schedule: string): void {
  const [oldest] = state.sql.all<{ fireAt: number }>(NTH, schedule, MOST_KEPT - 1);
  const ends = endsOf(state, schedule);
  const { success, failures } = rowOfFailures(ends, state.sql.all<{ at: number }>(COUNTED_FROM, schedule)[0]?.at ?? 0);
  const kept = new Set([...failures.slice(0, MOST_KEPT), success].map((end) => end?.fireAt));
  const gone = ends.filter(({ fireAt }) => fireAt < (oldest?.fireAt ?? 0) && !kept.has(fireAt));
  if (gone.length > 0) state.sql.run(TRIM, schedule, JSON.stringify(gone.map(({ fireAt }) => fireAt)));
  const counted = gone.filter((end) => failures.includes(end)).length;
  if (counted > 0) state.sql.run(COUNT_TRIMMED, schedule, counted);
}

interface Ended {
  readonly fireAt: number;
  readonly status: FireStatus;
  /** '' where it made nothing. */
  readonly made: string;
}

/** The latest first. */
function endsOf(state: DirectoryState, schedule: string): Ended[] {
  return state.sql.all<Ended>(ENDS, schedule);
}

/** The latest success, and what failed later than it and than `countedFrom`, the latest first. */
function rowOfFailures(ends: readonly Ended[], countedFrom: number) {
  const success = ends.find(({ status }) => status === "SUCCEEDED");
  const since = Math.max(success?.fireAt ?? 0, countedFrom);
  const hasFailed = ({ fireAt, status }: Ended) => fireAt > since && (status === "FAILED" || status === "EXPIRED");
  return { success, failures: ends.filter(hasFailed) };
}

/** What a schedule tells of its ended fires. One that was cancelled is no failure and ends no row of them. */
export function howItWent(
  state: DirectoryState,
  row: Pick<ScheduleRow, "id" | "counted_from" | "failed_before">,
): Pick<ScheduleRecord, "lastStatus" | "failuresInRow"> {
  const ends = endsOf(state, row.id);
  const { failures } = rowOfFailures(ends, row.counted_from);
  return {
    lastStatus: ends.find(({ made }) => made !== "")?.status ?? null,
    failuresInRow: row.failed_before + failures.length,
  };
}
