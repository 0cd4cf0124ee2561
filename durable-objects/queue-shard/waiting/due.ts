/** SCHEDULED and RETRYING tasks whose time has come join their lanes, in the order of their ids: older submissions first. */

import type { Seq } from "../../../core/ids.ts";
import { type Lane, type LaneKey, laneText } from "../../../core/lanes.ts";
import type { Shard } from "../shard.ts";
import { enqueue, laneFor, laneKeyOf, reclaimLanes } from "./lane-rows.ts";

/** One transaction moves so many; more stay due, and the alarm comes again at once. */
const MOST = 1_000;

const DUE = `SELECT seq, run_at, priority, type, version, limit_key, fairness_key, mode FROM task
  WHERE status IN ('SCHEDULED', 'RETRYING') AND run_at <= ?1 ORDER BY run_at LIMIT ${MOST}`;
const MOVE_IF_WAITING = `UPDATE task SET status = 'QUEUED', lane = ?1, rev = rev + 1
  WHERE seq IN (SELECT value FROM json_each(?2)) AND status IN ('SCHEDULED', 'RETRYING')`;
const NEXT = "SELECT min(run_at) AS next FROM task WHERE status IN ('SCHEDULED', 'RETRYING')";

type DueRow = { seq: Seq; run_at: number } & Parameters<typeof laneKeyOf>[0];

/** Inside a transaction. */
export function queueDueTasks(shard: Shard, now: number): void {
  const { memory, sql } = shard;
  if (memory.due.next === null || memory.due.next > now) return;
  reclaimLanes(shard);
  const byLane = new Map<string, { lane: Lane; rows: DueRow[] }>();
  for (const row of sql.all<DueRow>(DUE, now)) {
    const key: LaneKey = laneKeyOf(row);
    const text = laneText(key);
    let group = byLane.get(text);
    if (!group) {
      group = { lane: laneFor(shard, key), rows: [] };
      byLane.set(text, group);
    }
    group.rows.push(row);
  }
  for (const { lane, rows } of byLane.values()) {
    sql.run(MOVE_IF_WAITING, lane.no, JSON.stringify(rows.map(({ seq }) => seq)));
    for (const row of rows) enqueue(memory, lane, row.seq, row.run_at);
    memory.due.count -= rows.length;
  }
  memory.due.next = sql.all<{ next: number | null }>(NEXT)[0]?.next ?? null;
}
