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

/** Inside a transaction. Memory is what is left afterwards. */
export function forgetAll(shard: Shard): void {
  for (const table of TABLES) shard.sql.run(`DELETE FROM ${table}`);
  shard.forgotten++;
  shard.reload();
}
