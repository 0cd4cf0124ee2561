/**
 * Levels of token buckets as rows: written in the transaction that takes a token, so that a crash never gives more than
 * was left. One that is full again is as good as none, and is dropped in time.
 */
import type { Level } from "../../../core/token-bucket.ts";
import type { Sql } from "../../sql/sql.ts";
import type { Shard } from "../shard.ts";

const LEVELS = "SELECT name, units, at, full_at FROM bucket";
const KEEP = `INSERT INTO bucket (name, units, at, full_at)
  SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?) WHERE true
  ON CONFLICT (name) DO UPDATE SET units = excluded.units, at = excluded.at, full_at = excluded.full_at`;
const DROP_FULL = "DELETE FROM bucket WHERE full_at <= ?";
/** Full ones are looked for when there are twice as many as were left the last time, and this many. */
const FEW = 1_000;

export function loadLevels(sql: Sql): Map<string, Level> {
  const rows = sql.all<{ name: string; units: number; at: number; full_at: number }>(LEVELS);
  return new Map(rows.map(({ name, units, at, full_at: fullAt }) => [name, { units, at, fullAt }]));
}

/** Inside the transaction that took tokens. */
export function keepLevels(shard: Shard, now: number): void {
  const { levels, limits } = shard.memory;
  if (!limits || limits.changed.size === 0) return;
  const rows: [name: string, units: number, at: number, fullAt: number][] = [];
  for (const name of limits.changed) {
    const level = levels.get(name);
    if (level) rows.push([name, level.units, level.at, level.fullAt]);
  }
  limits.changed.clear();
  shard.sql.run(KEEP, JSON.stringify(rows));
  if (levels.size < shard.memory.levelsToLookAt) return;
  for (const [name, { fullAt }] of levels) if (fullAt <= now) levels.delete(name);
  shard.sql.run(DROP_FULL, now);
  // One that was full by a rate that has changed since may lack some by the new one (slower, or of a larger burst).
  // Forgotten it counts as full, so its key waits for no token any more.
  limits.lookAgain(now);
  shard.memory.levelsToLookAt = Math.max(FEW, 2 * levels.size);
}
