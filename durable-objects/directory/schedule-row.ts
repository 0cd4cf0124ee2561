/** A schedule as SQL keeps it, and as the record that travels. */
import type { QueueName, TaskId } from "../../core/ids.ts";
import type { FireRule, MissedPolicy, Timing } from "../../core/schedule.ts";
import type { ScheduleDefinition, ScheduleRecord } from "../../core/schema/schedule-rpc.ts";
import type { DirectoryState } from "./state.ts";

const COLUMNS = `id, type, version, options, priority, queue, timing, missed, anchor, start_at, end_at, paused, next_at,
  limit_key, fairness_key, ttl_ms, last_fire_at, last_task_id, fires, missed_count, created_at, updated_at`;
const FIND = `SELECT ${COLUMNS} FROM schedule WHERE id = ?`;
const DUE = `SELECT ${COLUMNS} FROM schedule WHERE next_at <= ? ORDER BY next_at LIMIT ?`;
const AFTER = "SELECT id FROM schedule WHERE id > ? ORDER BY id LIMIT ?";
const PAYLOAD = "SELECT payload FROM schedule_payload WHERE schedule = ?";
const INSERT = `INSERT INTO schedule (${COLUMNS})
  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, NULL, NULL, 0, 0, ?17, ?17)`;
const UPDATE = `UPDATE schedule SET type = ?2, version = ?3, options = ?4, priority = ?5, queue = ?6, timing = ?7,
  missed = ?8, anchor = ?9, start_at = ?10, end_at = ?11, paused = ?12, next_at = ?13,
  limit_key = ?14, fairness_key = ?15, ttl_ms = ?16, updated_at = ?17
  WHERE id = ?1 AND (type <> ?2 OR version <> ?3 OR options IS NOT ?4 OR priority <> ?5 OR queue IS NOT ?6 OR timing <> ?7
    OR missed <> ?8 OR anchor <> ?9 OR start_at IS NOT ?10 OR end_at IS NOT ?11 OR paused <> ?12 OR next_at IS NOT ?13
    OR limit_key IS NOT ?14 OR fairness_key IS NOT ?15 OR ttl_ms IS NOT ?16
    OR EXISTS (SELECT 1 FROM schedule_payload WHERE schedule = ?1 AND payload <> ?18))`;
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
  readonly last_task_id: TaskId | null;
  readonly fires: number;
  readonly missed_count: number;
  readonly created_at: number;
  readonly updated_at: number;
}

/** What of a row is worked out rather than told. */
export interface ScheduleClock {
  readonly anchor: number;
  readonly paused: boolean;
  readonly nextAt: number | null;
}

export function findSchedule(state: DirectoryState, id: string): ScheduleRow | null {
  return state.sql.all<ScheduleRow>(FIND, id)[0] ?? null;
}

/** Those whose fire is due, the longest overdue first. */
export function dueSchedules(state: DirectoryState, now: number, limit: number): ScheduleRow[] {
  return state.sql.all<ScheduleRow>(DUE, now, limit);
}

/** Ids after `after` in their order; all of them after "". */
export function scheduleIds(state: DirectoryState, after: string, limit: number): string[] {
  return state.sql.all<{ id: string }>(AFTER, after, limit).map((row) => row.id);
}

/** JSON text. */
export function payloadOf(state: DirectoryState, id: string): string {
  return state.sql.all<{ payload: string }>(PAYLOAD, id)[0]?.payload ?? "null";
}

export function ruleOf(row: ScheduleRow): FireRule {
  return { timing: timingOf(row), anchor: row.anchor, startAt: row.start_at, endAt: row.end_at };
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
  ];
}

/** The whole schedule; null: there is none of that id. */
export function readSchedule(state: DirectoryState, id: string): ScheduleRecord | null {
  const row = findSchedule(state, id);
  return row && toRecord(row, payloadOf(state, id));
}

export function toRecord(row: ScheduleRow, payload: string): ScheduleRecord {
  return {
    id: row.id,
    type: row.type,
    version: row.version,
    payload,
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
    paused: row.paused === 1,
    nextAt: row.next_at,
    lastFireAt: row.last_fire_at,
    lastTaskId: row.last_task_id,
    fires: row.fires,
    missedCount: row.missed_count,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
