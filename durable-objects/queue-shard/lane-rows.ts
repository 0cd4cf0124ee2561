/** Lanes as rows: made when the first task needs one, reclaimed when empty. Nothing but QUEUED tasks refers to a lane. */

import type { Seq } from "../../core/ids.ts";
import { type Lane, type LaneKey, MAX_LANES, WINDOW } from "../../core/lanes.ts";
import type { Sql } from "../sql/sql.ts";
import type { Shard } from "./shard.ts";

const MAKE_LANE = `INSERT INTO lane (no, priority, type, version, limit_key, fairness_key, mode)
  VALUES (?, ?, ?, ?, ?, ?, ?)`;
const DROP_LANES = "DELETE FROM lane WHERE no IN (SELECT value FROM json_each(?))";
const REFILL = `SELECT seq FROM task WHERE lane = ?1 AND status = 'QUEUED' AND seq > ?2 ORDER BY seq LIMIT ${WINDOW}`;

/** The lane of that key, made where there is none; inside a transaction. */
export function laneFor(shard: Shard, key: LaneKey): Lane {
  const { memory } = shard;
  const lane = memory.lanes.find(key);
  if (lane) return lane;
  if (memory.lanes.size >= MAX_LANES) reclaimLanes(shard);
  const no = ++memory.lastLane;
  shard.sql.run(MAKE_LANE, no, key.priority, key.type, key.version, key.limitKey, key.fairnessKey, key.mode);
  return memory.lanes.add(no, key);
}

/** Drops every empty lane; inside a transaction. */
export function reclaimLanes(shard: Shard): void {
  const { lanes } = shard.memory;
  const empty = [...lanes.all()].filter((lane) => lane.count === 0);
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
