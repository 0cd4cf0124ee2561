/**
 * How a batch stands, or `?wait=`: how it stands when all of it has ended. It waits for its newest unfinished task, which
 * mostly ends last, and looks again then: a batch of thousands costs a few looks, and its tasks' ends nothing.
 */
import type { Seq } from "../../../core/ids.ts";
import type { BatchAnswer, BatchRequest } from "../../../core/schema/rpc.ts";
import type { Shard } from "../shard.ts";
import { countBatch } from "./read.ts";
import { wait } from "./wait.ts";

const NEWEST_UNFINISHED = `SELECT max(seq) AS seq FROM task
  WHERE seq >= ?1 AND seq < ?1 + ?2 AND status <> 'FAILED'`;

export function waitBatch(shard: Shard, request: BatchRequest, respond: (answer: BatchAnswer) => void): void {
  const { first, count, waitMs = 0 } = request;
  const deadline = shard.ports.now() + waitMs;
  const look = () => {
    const left = deadline - shard.ports.now();
    const newest = left > 0 && left <= waitMs && !shard.draining ? newestUnfinished(shard, first, count) : null;
    if (newest === null) respond(countBatch(shard, request));
    else wait(shard, { v: 1, seq: newest, waitMs: left }, look);
  };
  look();
}

function newestUnfinished({ memory, sql }: Shard, first: Seq, count: number): Seq | null {
  if (!memory.hasTables) return null;
  return sql.all<{ seq: Seq | null }>(NEWEST_UNFINISHED, first, count)[0]?.seq ?? null;
}
