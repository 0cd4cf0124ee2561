/**
 * Forgets every task, session and notice: their queue was deleted. What stays is the mark of ids given, so that an id is
 * never given twice, and so that those are known which were given before: history may still have their tasks
 * (reads/first-seq.ts); and the settings. A flush that is under way must not touch what came after it: `forgotten` tells it.
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

const MARK = "UPDATE shard SET first_seq = ?";

/** Inside a transaction. Memory is what is left afterwards. */
export function forgetAll(shard: Shard): void {
  for (const table of TABLES) shard.sql.run(`DELETE FROM ${table}`);
  const { lastSeq } = shard.memory;
  if (lastSeq > 0) shard.sql.run(MARK, lastSeq + 1);
  shard.forgotten++;
  shard.reload();
}
