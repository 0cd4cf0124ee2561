/**
 * Cancels a task by id. One that waits has ended by that; one that runs is asked to stop, and ends when its session says
 * so, 10 s later, or with its lease. Nothing is written where it was asked for already, so the call may be repeated.
 */
import type { ShardRpc, TaskAnswer } from "../../../core/schema/rpc.ts";
import { afterOperation } from "../after.ts";
import { readOne } from "../reads/read.ts";
import { tellWaiters } from "../reads/wait.ts";
import type { Shard } from "../shard.ts";
import { type TaskRow, waitingRow } from "../task-rows.ts";
import { askToStop, tellToStop } from "./ask-to-stop.ts";
import { leaveWaiting } from "./leave-waiting.ts";
import { findRevisionFault } from "./revision.ts";

export function cancel(shard: Shard, { seq, rev = null }: Parameters<ShardRpc["cancel"]>[0]): TaskAnswer {
  const now = shard.ports.now();
  if (!shard.memory.hasTables) return { v: 1, ok: true, task: null };
  const fault = rev === null ? null : findRevisionFault(readOne(shard, seq), rev);
  if (fault) return fault;
  const waiting = waitingRow(shard.sql, seq);
  if (waiting) cancelWaiting(shard, waiting, now);
  else {
    for (const session of shard.memory.sessions.values())
      if (session.claims.has(seq)) {
        shard.transact(() => askToStop(shard, session, [seq], now));
        tellToStop(shard, session);
      }
  }
  const task = readOne(shard, seq);
  afterOperation(shard, now);
  return { v: 1, ok: true, task };
}

function cancelWaiting(shard: Shard, row: TaskRow, now: number): void {
  const endingOf = () => ({ to: "CANCELLED", cause: `cancelled while ${row.status}` }) as const;
  tellWaiters(
    shard,
    shard.transact(() => leaveWaiting(shard, [row], endingOf, now)),
  );
}
