/** Lanes as rows: made when the first task needs one, reclaimed when empty. Nothing but QUEUED tasks refers to a lane. */

import type { Seq } from "../../../core/ids.ts";
import { WINDOW } from "../../../core/lane-window.ts";
import { isKeyed, type Lane, type LaneKey, MAX_LANES } from "../../../core/lanes.ts";
import type { Sql } from "../../sql/sql.ts";
import type { Shard } from "../shard.ts";

const MAKE_LANE = `INSERT INTO lane (no, priority, type, version, limit_key, fairness_key, mode)
  VALUES (?, ?, ?, ?, ?, ?, ?)`;
const DROP_LANES = "DELETE FROM lane WHERE no IN (SELECT value FROM json_each(?))";
const REFILL = `SELECT seq FROM task WHERE lane = ?1 AND status = 'QUEUED' AND seq > ?2 ORDER BY seq LIMIT ${WINDOW}`;

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

/** Drops every empty lane, where there are as many as may be; inside a transaction, and before lanes are looked up. */
export function reclaimLanes(shard: Shard): void {
  const { lanes } = shard.memory;
  if (lanes.empty.size > 0 && areLanesFull(shard, 0)) drop(shard, [...lanes.empty]);
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
  if (lanes.isShort(lane)) lanes.refill(lane, readWindow(shard.sql, lane));
}

/** A lane's oldest tasks beyond its edge. */
export function readWindow(sql: Sql, { no, edge }: Lane): Seq[] {
  return sql.all<{ seq: Seq }>(REFILL, no, edge).map(({ seq }) => seq);
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
