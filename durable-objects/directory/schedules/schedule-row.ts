/** A schedule as SQL keeps it, and as the record that travels. */
import type { QueueName, RunId, TaskId } from "../../../core/ids.ts";
import type { OverlapPolicy } from "../../../core/overlap.ts";
import type { FireClock, FireRule, MissedPolicy, Timing } from "../../../core/schedule.ts";
import type { ScheduleDefinition, ScheduleFilter, ScheduleRecord } from "../../../core/schema/schedule-rpc.ts";
import { howItWent } from "../fires/fire-rows.ts";
import type { DirectoryState } from "../state.ts";

/** What is told of a schedule, or worked out of that, in the order of `values`. */
const TOLD = [
  "type",
  "version",
  "options",
  "priority",
  "queue",
  "timing",
  "missed",
  "anchor",
  "start_at",
  "end_at",
  "paused",
  "next_at",
  "limit_key",
  "fairness_key",
  "ttl_ms",
  "overlap",
  "jitter_s",
  "disable_after",
  "is_workflow",
  "decided",
] as const;
const COLUMNS = `id, ${TOLD.join(", ")}, last_fire_at, last_task_id, fires, missed_count, skipped_count, counted_from,
  failed_before, stopped, created_at, updated_at`;
const place = (column: (typeof TOLD)[number]) => `?${TOLD.indexOf(column) + 2}`;
const NOW = `?${TOLD.length + 2}`;
const NEW_PAYLOAD = `?${TOLD.length + 3}`;
const FIND = `SELECT ${COLUMNS} FROM schedule WHERE id = ?`;
const DUE = `SELECT ${COLUMNS} FROM schedule WHERE next_at <= ? ORDER BY next_at LIMIT ?`;
const AFTER = `SELECT id FROM schedule
  WHERE id > ?1 AND (?3 IS NULL OR paused = ?3) AND (?4 IS NULL OR type = ?4) ORDER BY id LIMIT ?2`;
const PAYLOAD = "SELECT payload FROM schedule_payload WHERE schedule = ?";
const INSERT = `INSERT INTO schedule (id, ${TOLD.join(", ")}, created_at, updated_at)
  VALUES (?1, ${TOLD.map(place).join(", ")}, ${NOW}, ${NOW})`;
// Who resumes it begins to count its failures anew. No two changes have one updated_at: a PATCH says by it what it read.
const UPDATE = `UPDATE schedule SET ${TOLD.map((column) => `${column} = ${place(column)}`).join(", ")},
    counted_from = iif(paused = 1 AND ${place("paused")} = 0, ${NOW}, counted_from),
    failed_before = iif(paused = 1 AND ${place("paused")} = 0, 0, failed_before),
    stopped = iif(${place("paused")} = 0, NULL, stopped), updated_at = max(${NOW}, updated_at + 1)
  WHERE id = ?1 AND (${TOLD.map((column) => `${column} IS NOT ${place(column)}`).join(" OR ")}
    OR EXISTS (SELECT 1 FROM schedule_payload WHERE schedule = ?1 AND payload <> ${NEW_PAYLOAD}))`;
const SAVE_PAYLOAD = `INSERT INTO schedule_payload (schedule, payload) VALUES (?1, ?2)
  ON CONFLICT (schedule) DO UPDATE SET payload = ?2 WHERE payload <> ?2`;

/** Without its payload, which may be 256 KiB. */
export interface ScheduleRow {
  readonly id: string;
  readonly type: string;
  readonly version: number;
  readonly options: string | null;
  readonly priority: number;
  readonly queue: QueueName | null;
  /** JSON text of Timing. */
  readonly timing: string;
  readonly missed: MissedPolicy;
  readonly anchor: number;
  readonly start_at: number | null;
  readonly end_at: number | null;
  readonly paused: 0 | 1;
  readonly next_at: number | null;
  readonly limit_key: string | null;
  readonly fairness_key: string | null;
  readonly ttl_ms: number | null;
  readonly last_fire_at: number | null;
  /** null: `allow`. */
  readonly overlap: Exclude<OverlapPolicy, "allow"> | null;
  readonly jitter_s: number | null;
  readonly disable_after: number | null;
  /** Its payload is a workflow. */
  readonly is_workflow: 0 | 1;
  /** Moments up to this are over (Unix ms). */
  readonly decided: number;
  /** A task, or a run. */
  readonly last_task_id: TaskId | RunId | null;
  readonly fires: number;
  readonly missed_count: number;
  readonly skipped_count: number;
  readonly counted_from: number;
  /** Failures in a row that have no row of their own any more. */
  readonly failed_before: number;
  readonly stopped: string | null;
  readonly created_at: number;
  readonly updated_at: number;
}

/** What of a row is worked out rather than told. */
export interface ScheduleClock extends FireClock {
  readonly anchor: number;
  readonly paused: boolean;
}

export function findSchedule(state: DirectoryState, id: string): ScheduleRow | null {
  return state.sql.all<ScheduleRow>(FIND, id)[0] ?? null;
}

/** Those whose fire is due, the longest overdue first. */
export function dueSchedules(state: DirectoryState, now: number, limit: number): ScheduleRow[] {
  return state.sql.all<ScheduleRow>(DUE, now, limit);
}

/** Ids after `after` in their order; all of them after "". */
export function scheduleIds(
  state: DirectoryState,
  after: string,
  limit: number,
  { paused = null, type = null }: ScheduleFilter,
): string[] {
  const flag = paused === null ? null : paused ? 1 : 0;
  return state.sql.all<{ id: string }>(AFTER, after, limit, flag, type).map((row) => row.id);
}

/** JSON text. */
export function payloadOf(state: DirectoryState, id: string): string {
  return state.sql.all<{ payload: string }>(PAYLOAD, id)[0]?.payload ?? "null";
}

export function ruleOf(row: ScheduleRow): FireRule {
  const { id, anchor, start_at: startAt, end_at: endAt, decided } = row;
  return { timing: timingOf(row), anchor, startAt, endAt, decided, ...jitterOf(id, row.jitter_s) };
}

export function jitterOf(schedule: string, seconds: number | null | undefined): Pick<FireRule, "jitter"> {
  return seconds ? { jitter: { ms: seconds * 1_000, schedule } } : {};
}

export function timingOf(row: ScheduleRow): Timing {
  return JSON.parse(row.timing) as Timing;
}

/** Inside a transaction. */
export function insertSchedule(
  state: DirectoryState,
  id: string,
  definition: ScheduleDefinition,
  clock: ScheduleClock,
): void {
  state.sql.run(INSERT, ...columns(id, definition, clock), state.ports.now());
  state.sql.run(SAVE_PAYLOAD, id, definition.payload);
}

/** Inside a transaction. Counts and what it last did stay; where nothing differs nothing is written. */
export function updateSchedule(
  state: DirectoryState,
  id: string,
  definition: ScheduleDefinition,
  clock: ScheduleClock,
): void {
  state.sql.run(UPDATE, ...columns(id, definition, clock), state.ports.now(), definition.payload);
  state.sql.run(SAVE_PAYLOAD, id, definition.payload);
}

function columns(id: string, told: ScheduleDefinition, clock: ScheduleClock): (string | number | null)[] {
  return [
    id,
    told.type,
    told.version,
    told.options,
    told.priority,
    told.queue,
    JSON.stringify(told.timing),
    told.missed,
    clock.anchor,
    told.startAt,
    told.endAt,
    clock.paused ? 1 : 0,
    clock.nextAt,
    told.limitKey ?? null,
    told.fairnessKey ?? null,
    told.ttlMs ?? null,
    told.overlap === "allow" ? null : (told.overlap ?? null),
    told.jitterSeconds ?? null,
    told.disableAfter ?? null,
    told.isWorkflow ? 1 : 0,
    clock.decided,
  ];
}

/** The whole schedule; null: there is none of that id. */
export function readSchedule(state: DirectoryState, id: string): ScheduleRecord | null {
  const row = findSchedule(state, id);
  if (!row) return null;
  return {
    ...definitionOf(row, payloadOf(state, id)),
    id,
    paused: row.paused === 1,
    stopped: row.stopped,
    nextAt: row.next_at,
    lastFireAt: row.last_fire_at,
    lastTaskId: row.last_task_id,
    ...howItWent(state, row),
    fires: row.fires,
    missedCount: row.missed_count,
    skippedCount: row.skipped_count,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}

export function definitionOf(row: ScheduleRow, payload: string): ScheduleDefinition {
  return {
    type: row.type,
    version: row.version,
    payload,
    ...(row.is_workflow === 1 && { isWorkflow: true as const }),
    options: row.options,
    priority: row.priority,
    limitKey: row.limit_key,
    fairnessKey: row.fairness_key,
    ttlMs: row.ttl_ms,
    queue: row.queue,
    timing: timingOf(row),
    missed: row.missed,
    startAt: row.start_at,
    endAt: row.end_at,
    overlap: row.overlap ?? "allow",
    jitterSeconds: row.jitter_s,
    disableAfter: row.disable_after,
  };
}
