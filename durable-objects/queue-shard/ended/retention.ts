/**
 * What a shard forgets: dead letters past the queue's history time or too many of them, dedup keys, deliveries and kept
 * results past theirs; in bounded batches.
 */
import { forgetPastDead, trimDead } from "../dead/dead-rows.ts";
import type { Shard } from "../shard.ts";
import { forgetPastResults } from "../submit/cache-rows.ts";
import { NEXT_KEY } from "../submit/dedup-rows.ts";
import { forgetDeliveries } from "./forget-deliveries.ts";

/** Results past their time answer nobody, and lie here so much longer (ms), so that many go by one alarm. */
export const CACHE_LAG_MS = 60_000;
const MOST = 1_000;
const FORGET_KEYS = `DELETE FROM dedup WHERE key IN (SELECT key FROM dedup
  WHERE ifnull(within, 'window') = 'window' AND expires_at <= ? ORDER BY expires_at LIMIT ${MOST})`;

/** Inside a transaction; where more is left than one batch, the alarm comes again at once. */
export function forgetExpired(shard: Shard, now: number): void {
  const { memory, sql } = shard;
  forgetPastDead(shard, now);
  trimDead(shard);
  forgetDeliveries(shard, now);
  if (memory.dedupExpiry !== null && memory.dedupExpiry <= now) {
    sql.run(FORGET_KEYS, now);
    memory.dedupExpiry = sql.all<{ next: number | null }>(NEXT_KEY)[0]?.next ?? null;
  }
  const { nextExpiry } = memory.cache;
  if (nextExpiry !== null && nextExpiry + CACHE_LAG_MS <= now) forgetPastResults(shard, now);
}
