/**
 * Forgets every task, session and notice: their queue was deleted. What stays is the mark of ids given, so that an id is
 * never given twice, and the settings. A flush that is under way must not touch what came after it: `forgotten` tells it.
 */
import type { Shard } from "./shard.ts";

const TABLES = [
  "task",
  "lane",
  "session",
  "outbox",
  "notice",
  "dedup",
  "bucket",
  "cache",
  "cache_purge",
  "bulk",
  "delivery",
];
/** A delivery's number is its id: the next ones begin above it. */
const KEEP_MARK = "UPDATE shard SET seq_reserved = max(seq_reserved, ?)";

/** Inside a transaction. Memory is what is left afterwards. */
export function forgetAll(shard: Shard): void {
  shard.sql.run(KEEP_MARK, shard.memory.deliveries.last);
  for (const table of TABLES) shard.sql.run(`DELETE FROM ${table}`);
  shard.forgotten++;
  shard.reload();
}
