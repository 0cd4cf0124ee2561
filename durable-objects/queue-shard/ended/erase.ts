/**
 * Deletes what the shard has of a finished task: its dead letter, its record on the way to history, its result that was
 * kept for others, what was told or is to be told of its end. In the record's place goes a tombstone, in the same
 * transaction: so history is told by the shard itself, whatever becomes of who asked. Safe to repeat.
 */
import type { EraseAnswer, EraseRequest } from "../../../core/schema/erase-rpc.ts";
import { isFinished } from "../../../core/status.ts";
import { isDeleted, tombstoneOf } from "../../../history/tombstone.ts";
import { afterOperation } from "../after.ts";
import { dropDead } from "../dead/dead-rows.ts";
import { readOne } from "../reads/read.ts";
import { refuse, type Shard } from "../shard.ts";
import { forgetResultOf } from "../submit/cache-rows.ts";
import { forgetEmptyKeys } from "../waiting/lane-rows.ts";
import { findRevisionFault } from "../waiting/revision.ts";
import { markErased } from "./erased-marks.ts";
import { forgetDeliveriesOf } from "./forget-deliveries.ts";
import { forgetTold } from "./notices.ts";
import { removeFromOutbox, sendHistory } from "./outbox.ts";

export function erase(shard: Shard, { seq, rev = null }: EraseRequest): EraseAnswer {
  const { memory, ports } = shard;
  if (!memory.hasTables) return { v: 1, ok: true, task: null };
  const known = readOne(shard, seq);
  const fault = rev === null ? null : findRevisionFault(known, rev);
  if (fault) return fault;
  if (known !== null && !isFinished(known.status))
    return refuse("task-unfinished", `The task is ${known.status}; what has not ended is cancelled first.`);
  const now = ports.now();
  shard.transact(() => {
    markErased(shard, seq, now);
    forgetResultOf(shard, seq);
    forgetDeliveriesOf(shard, seq);
    forgetTold(shard, seq);
    forgetEmptyKeys(shard);
    if (known === null || isDeleted(known)) return;
    dropDead(shard, [seq]);
    removeFromOutbox(shard, seq);
    sendHistory(shard, [tombstoneOf(known, memory.settings?.historyTtlSeconds ?? 0, now)], now);
  });
  afterOperation(shard, now);
  if (known === null) return { v: 1, ok: true, task: null };
  const { status, createdAt, endedAt } = known;
  return { v: 1, ok: true, task: { seq, status, createdAt, endedAt } };
}
