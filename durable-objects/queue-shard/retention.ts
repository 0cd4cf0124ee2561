/** What a shard forgets: dead letters past the queue's history time, dedup keys past theirs; in bounded batches. */
import type { Shard } from "./shard.ts";

const MOST = 1_000;
const FORGET_DEAD = `DELETE FROM task WHERE seq IN
  (SELECT seq FROM task WHERE status = 'FAILED' AND ended_at <= ? ORDER BY ended_at LIMIT ${MOST}) RETURNING seq`;
const OLDEST_DEAD = "SELECT min(ended_at) AS oldest FROM task WHERE status = 'FAILED'";
const FORGET_KEYS = `DELETE FROM dedup WHERE key IN
  (SELECT key FROM dedup WHERE expires_at <= ? ORDER BY expires_at LIMIT ${MOST})`;
const NEXT_KEY = "SELECT min(expires_at) AS next FROM dedup";

/** Inside a transaction; where more is left than one batch, the alarm comes again at once. */
export function forgetExpired(shard: Shard, now: number): void {
  const { memory, sql } = shard;
  if (memory.dead.oldest !== null && memory.settings) {
    const before = now - memory.settings.historyTtlSeconds * 1000;
    if (memory.dead.oldest <= before) {
      memory.dead.count -= sql.all(FORGET_DEAD, before).length;
      memory.dead.oldest = sql.all<{ oldest: number | null }>(OLDEST_DEAD)[0]?.oldest ?? null;
    }
  }
  if (memory.dedupExpiry !== null && memory.dedupExpiry <= now) {
    sql.run(FORGET_KEYS, now);
    memory.dedupExpiry = sql.all<{ next: number | null }>(NEXT_KEY)[0]?.next ?? null;
  }
}
