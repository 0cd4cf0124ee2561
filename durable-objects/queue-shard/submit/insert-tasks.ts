/**
 * Writes accepted tasks. Neighbours that share type, priority, options and time go in as one statement over the array
 * of their payloads, seq counted up: 430,000 rows a second, where ten values a row read out of JSON give 195,000
 * (node:sqlite, 100 a statement). A large payload is bound by itself.
 */
import { LARGE_ROW_BYTES, MAX_BOUND_BYTES } from "../../../core/bytes.ts";
import type { Seq } from "../../../core/ids.ts";
import type { LaneKey } from "../../../core/lanes.ts";
import type { NewTask } from "../../../core/schema/rpc.ts";
import { bornAs } from "../../../core/submit-answer.ts";
import type { Shard } from "../shard.ts";
import { modeFor, storedOptions } from "../task-rows.ts";
import { laneFor } from "../waiting/lane-rows.ts";
import { noteExpiry } from "../waiting/waiting.ts";

const COLUMNS = `(seq, status, lane, priority, type, version, created_at, run_at, options, mode, limit_key,
  fairness_key, expires_at, payload)`;
const INSERT_ONE = `INSERT INTO task ${COLUMNS} VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)`;
const INSERT_RUN = `INSERT INTO task ${COLUMNS}
  SELECT ?1 + key, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, value FROM json_each(?14)`;

export interface PlannedTask {
  readonly seq: Seq;
  readonly task: NewTask;
}

/** A quarter of what may be bound: escaping and UTF-8 at most triple a JSON text's length. */
const RUN_CHARS = MAX_BOUND_BYTES / 4;

/** Inside a transaction; keeps memory's counts in step. */
export function insertTasks(shard: Shard, planned: readonly PlannedTask[], now: number): void {
  for (const run of runsOf(planned)) insertRun(shard, run, now);
}

export function laneKeyFor(
  task: Pick<NewTask, "priority" | "type" | "version" | "options" | "limitKey" | "fairnessKey">,
): LaneKey {
  return {
    priority: task.priority,
    type: task.type,
    version: task.version,
    limitKey: task.limitKey ?? null,
    fairnessKey: task.fairnessKey ?? null,
    mode: modeFor(task.options),
  };
}

function insertRun(shard: Shard, run: readonly PlannedTask[], now: number): void {
  const first = run[0];
  if (!first) return;
  const { memory, sql } = shard;
  const { task } = first;
  const isDueLater = task.runAt !== null && task.runAt > now;
  const key = laneKeyFor(task);
  const lane = isDueLater || task.blocked ? null : laneFor(shard, key);
  const columns = [
    first.seq,
    bornAs(task, now),
    lane?.no ?? 0,
    task.priority,
    task.type,
    task.version,
    now,
    task.runAt,
    storedOptions(task),
    key.mode,
    key.limitKey,
    key.fairnessKey,
    task.expiresAt ?? null,
  ] as const;
  if (run.length === 1) sql.run(INSERT_ONE, ...columns, task.payload);
  else sql.run(INSERT_RUN, ...columns, JSON.stringify(run.map((planned) => planned.task.payload)));

  if (task.expiresAt !== undefined) noteExpiry(memory, task.expiresAt);
  if (lane) memory.lanes.enqueueRun(lane, first.seq, run.length);
  else if (task.blocked) memory.blocked += run.length;
  else {
    memory.due.count += run.length;
    memory.due.next = Math.min(memory.due.next ?? Number.POSITIVE_INFINITY, task.runAt ?? now);
  }
}

/** Cuts into neighbours that differ in nothing but seq and payload, and by size. */
function* runsOf(planned: readonly PlannedTask[]): Generator<readonly PlannedTask[]> {
  let start = 0;
  let chars = 0;
  for (let i = 1; i <= planned.length; i++) {
    const before = planned[i - 1];
    const next = planned[i];
    chars += before?.task.payload.length ?? 0;
    if (before && next && chars + next.task.payload.length <= RUN_CHARS && isAlike(before, next)) continue;
    yield planned.slice(start, i);
    start = i;
    chars = 0;
  }
}

function isAlike(a: PlannedTask, b: PlannedTask): boolean {
  return (
    b.seq === a.seq + 1 &&
    a.task.type === b.task.type &&
    a.task.priority === b.task.priority &&
    a.task.options === b.task.options &&
    a.task.version === b.task.version &&
    a.task.runAt === b.task.runAt &&
    a.task.limitKey === b.task.limitKey &&
    a.task.fairnessKey === b.task.fairnessKey &&
    a.task.expiresAt === b.task.expiresAt &&
    a.task.blocked === b.task.blocked &&
    a.task.cache === undefined &&
    b.task.cache === undefined &&
    a.task.dedup?.ofPayload === undefined &&
    b.task.dedup?.ofPayload === undefined &&
    a.task.payload.length < LARGE_ROW_BYTES &&
    b.task.payload.length < LARGE_ROW_BYTES
  );
}
