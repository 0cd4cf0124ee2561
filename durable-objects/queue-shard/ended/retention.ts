/**
 * What a shard forgets: dead letters past the queue's history time or too many of them, dedup keys, deliveries and kept
 * results past theirs; in bounded batches.
 */
import { FIRST_LOOK_MS, LAST_LOOK_MS } from "../../../core/keys.ts";
import { forgetPastDead, trimDead } from "../dead/dead-rows.ts";
import type { Shard } from "../shard.ts";
import { forgetPastResults } from "../submit/cache-rows.ts";
import { forgetDeliveries } from "./forget-deliveries.ts";

/** Results past their time answer nobody, and lie here so much longer (ms), so that many go by one alarm. */
export const CACHE_LAG_MS = 60_000;
const MOST = 1_000;
const PAST_KEYS = `SELECT key FROM dedup WHERE expires_at <= ? ORDER BY expires_at LIMIT ${MOST}`;
/** Still needed, so looked at again when the task is twice as old. */
const KEEP_HELD = `UPDATE dedup SET expires_at = ?1 + min(max(${FIRST_LOOK_MS}, ?1 - created_at), ${LAST_LOOK_MS})
  WHERE key IN (SELECT value FROM json_each(?2)) AND within IN ('queued', 'running')
  AND EXISTS (SELECT 1 FROM task WHERE task.seq = dedup.seq AND status <> 'FAILED')`;
const FORGET_KEYS = "DELETE FROM dedup WHERE key IN (SELECT value FROM json_each(?2)) AND expires_at <= ?1";
const NEXT_KEY = "SELECT min(expires_at) AS next FROM dedup";

/** Inside a transaction; where more is left than one batch, the alarm comes again at once. */
export function forgetExpired(shard: Shard, now: number): void {
  const { memory, sql } = shard;
  forgetPastDead(shard, now);
  trimDead(shard);
  forgetDeliveries(shard, now);
  if (memory.dedupExpiry !== null && memory.dedupExpiry <= now) {
    const keys = JSON.stringify(sql.all<{ key: string }>(PAST_KEYS, now).map(({ key }) => key));
    sql.run(KEEP_HELD, now, keys);
    sql.run(FORGET_KEYS, now, keys);
    memory.dedupExpiry = sql.all<{ next: number | null }>(NEXT_KEY)[0]?.next ?? null;
  }
  const { nextExpiry } = memory.cache;
  if (nextExpiry !== null && nextExpiry + CACHE_LAG_MS <= now) forgetPastResults(shard, now);
}
