/** Lanes as rows: made when the first task needs one, reclaimed when empty. Nothing but QUEUED tasks refers to a lane. */

import type { Seq } from "../../../core/ids.ts";
import { WINDOW } from "../../../core/lane-window.ts";
import { isKeyed, type Lane, type LaneKey, MAX_LANES } from "../../../core/lanes.ts";
import { sinceOf } from "../../../core/pick.ts";
import type { Sql } from "../../sql/sql.ts";
import type { Memory } from "../memory.ts";
import type { Shard } from "../shard.ts";

const MAKE_LANE = `INSERT INTO lane (no, priority, type, version, limit_key, fairness_key, mode)
  VALUES (?, ?, ?, ?, ?, ?, ?)`;
const DROP_LANES = "DELETE FROM lane WHERE no IN (SELECT value FROM json_each(?))";
const REFILL = `SELECT seq FROM task WHERE lane = ?1 AND status = 'QUEUED' AND seq > ?2 ORDER BY seq LIMIT ${WINDOW}`;
/** Reads the rows as well, which the index does not cover. */
const REFILL_AGED = REFILL.replace("SELECT seq", "SELECT seq, run_at AS runAt");

/**
 * The lane of that key, made where there is none; inside a transaction. How many there may be is asked when a task is
 * admitted: one that was put off has its lane when it is due.
 */
export function laneFor(shard: Shard, key: LaneKey): Lane {
  const { memory } = shard;
  const lane = memory.lanes.find(key);
  if (lane) return lane;
  const no = ++memory.lastLane;
  shard.sql.run(MAKE_LANE, no, key.priority, key.type, key.version, key.limitKey, key.fairnessKey, key.mode);
  return memory.lanes.add(no, key);
}

/** Whether a shard that is to have `more` lanes has as many as it may. */
export function areLanesFull({ memory }: Shard, more: number): boolean {
  return memory.lanes.size + more >= MAX_LANES;
}

/** Drops every empty lane, where with `more` there are as many as may be; inside a transaction, and before lanes are looked up. */
export function reclaimLanes(shard: Shard, more = 0): void {
  const { lanes } = shard.memory;
  if (lanes.empty.size > 0 && areLanesFull(shard, more)) drop(shard, [...lanes.empty]);
}

/** Drops the empty lanes that have keys: they are what a caller named. Inside a transaction. */
export function forgetEmptyKeys(shard: Shard): void {
  const keyed = [...shard.memory.lanes.empty].filter(({ key }) => isKeyed(key));
  if (keyed.length > 0) drop(shard, keyed);
}

function drop(shard: Shard, empty: readonly Lane[]): void {
  const { lanes } = shard.memory;
  shard.sql.run(DROP_LANES, JSON.stringify(empty.map((lane) => lane.no)));
  for (const lane of empty) lanes.remove(lane);
}

/** Reads the next of a lane's oldest tasks where its window has run out. */
export function refillIfShort(shard: Shard, lane: Lane): void {
  const { lanes } = shard.memory;
  if (lanes.isShort(lane)) lanes.refill(lane, ...readWindow(shard.sql, shard.memory, lane));
}

/** Where a queue ages, what was put off is of the age that it has since it was due; each window is read with that. */
export function rereadWindows(memory: Memory, sql: Sql): void {
  memory.lanes.rereadAll((lane) => memory.lanes.refill(lane, ...readWindow(sql, memory, lane)));
}

/** A lane's oldest tasks beyond its edge; where the queue ages, with what the age of those counts from that were put off. */
export function readWindow(sql: Sql, memory: Memory, { no, edge }: Lane): [seqs: Seq[], sinces?: Map<Seq, Seq>] {
  if (!ages(memory)) return [sql.all<{ seq: Seq }>(REFILL, no, edge).map(({ seq }) => seq)];
  const rows = sql.all<{ seq: Seq; runAt: number | null }>(REFILL_AGED, no, edge);
  const sinces = new Map<Seq, Seq>();
  for (const { seq, runAt } of rows) {
    const since = sinceOf(seq, runAt);
    if (since !== seq) sinces.set(seq, since);
  }
  return [rows.map(({ seq }) => seq), sinces];
}

/** A row that is QUEUED now, in memory. */
export function enqueue(memory: Memory, lane: Lane, seq: Seq, runAt: number | null): void {
  memory.lanes.enqueue(lane, seq, ages(memory) ? sinceOf(seq, runAt) : seq);
}

function ages({ settings }: Pick<Memory, "settings">): boolean {
  return settings !== null && settings.ageStepMs !== null;
}

export interface LaneRow {
  no: number;
  priority: number;
  type: string;
  version: number;
  limit_key: string | null;
  fairness_key: string | null;
  mode: LaneKey["mode"];
}

export function laneKeyOf(row: Omit<LaneRow, "no">): LaneKey {
  return {
    priority: row.priority,
    type: row.type,
    version: row.version,
    limitKey: row.limit_key,
    fairnessKey: row.fairness_key,
    mode: row.mode,
  };
}
