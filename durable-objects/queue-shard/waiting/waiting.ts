/**
 * Memory's count of what waits (SCHEDULED, BLOCKED, QUEUED, RETRYING), kept in step with a row that joins it or quits
 * it. Inside the transaction that moves the row.
 */
import type { Seq } from "../../../core/ids.ts";
import type { Lane } from "../../../core/lanes.ts";
import type { Memory } from "../memory.ts";
import type { Shard } from "../shard.ts";
import type { TaskRow } from "../task-rows.ts";
import { enqueue, laneFor, laneKeyOf, reclaimLanes, refillIfShort } from "./lane-rows.ts";

const NEXT_DUE = "SELECT min(run_at) AS next FROM task WHERE status IN ('SCHEDULED', 'RETRYING')";

/** The lane of a QUEUED task, made where there is none; null for any other. */
export function laneOf(shard: Shard, row: TaskRow): Lane | null {
  return row.status === "QUEUED" ? laneFor(shard, laneKeyOf(row)) : null;
}

/** The row waits now, as it says. */
export function joinWaiting(shard: Shard, row: TaskRow): void {
  const { memory } = shard;
  if (row.expires_at !== null) noteExpiry(memory, row.expires_at);
  reclaimLanes(shard);
  const lane = laneOf(shard, row);
  if (lane) enqueue(memory, lane, row.seq, row.run_at);
  else if (row.status === "BLOCKED") memory.blocked++;
  else if (row.run_at !== null) {
    memory.due.count++;
    memory.due.next = Math.min(memory.due.next ?? row.run_at, row.run_at);
  }
}

/** A task waits that must have begun by then (Unix ms). */
export function noteExpiry(memory: Memory, at: number): void {
  memory.expiryHint = Math.min(memory.expiryHint ?? at, at);
}

/** The rows wait no more, or not as they say: SQL has them no longer so. */
export function quitWaiting(shard: Shard, rows: readonly TaskRow[]): void {
  const { memory, sql } = shard;
  const byLane = new Map<Lane, Seq[]>();
  let isDueGone = false;
  for (const row of rows) {
    const lane = laneOf(shard, row);
    if (lane) {
      const seqs = byLane.get(lane);
      if (seqs) seqs.push(row.seq);
      else byLane.set(lane, [row.seq]);
    } else if (row.status === "BLOCKED") memory.blocked--;
    else {
      memory.due.count--;
      if (row.run_at === memory.due.next) isDueGone = true;
    }
  }
  // A lane is refilled once all have left it, and before another is touched: short ones are out of order among their kind.
  for (const [lane, seqs] of byLane) {
    for (const seq of seqs) memory.lanes.withdraw(lane, seq);
    refillIfShort(shard, lane);
  }
  if (isDueGone) memory.due.next = sql.all<{ next: number | null }>(NEXT_DUE)[0]?.next ?? null;
}
