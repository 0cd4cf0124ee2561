/**
 * Rows of dead letters come and go, and memory's count of them goes with them: every way out is `dropDead`. A queue
 * holds so many, and so many bytes of them (`deadLettersMax`, `deadLettersMaxBytes`); beyond it the oldest go, with the
 * death that was one too many, so that it costs no alarm. History keeps what they were.
 */
import { utf8Bytes } from "../../../core/bytes.ts";
import type { Seq } from "../../../core/ids.ts";
import { deadShareOf } from "../../../core/schema/queue-settings.ts";
import type { Shard } from "../shard.ts";
import type { TaskRow } from "../task-rows.ts";

const DROP = `DELETE FROM task WHERE seq IN (SELECT value FROM json_each(?)) AND status = 'FAILED'
  RETURNING coalesce(dead_bytes, 0) AS bytes`;
const OLDEST_END = "SELECT min(ended_at) AS oldest FROM task WHERE status = 'FAILED'";
const PAST = "SELECT seq FROM task WHERE status = 'FAILED' AND ended_at <= ? ORDER BY ended_at, seq LIMIT ?";
const OLDEST = `SELECT seq, coalesce(dead_bytes, 0) AS bytes FROM task WHERE status = 'FAILED'
  ORDER BY ended_at, seq LIMIT ?`;

/** A transaction of so many takes about 20 ms. */
export const MOST_DEAD = 1_000;
/** A death mostly drives out one; where it takes more than these, the alarm goes on. */
const WITH_A_DEATH = 16;
/** How often the log tells that the oldest went. */
const TELL_EVERY_MS = 60_000;

/** What a dead letter counts for. */
export function deadBytes({ payload, attempts, error }: TaskRow): number {
  return utf8Bytes(payload) + utf8Bytes(attempts ?? "") + utf8Bytes(error ?? "");
}

/** A row is a dead letter now. Inside a transaction. */
export function noteDead(shard: Shard, row: TaskRow): void {
  const { dead } = shard.memory;
  const endedAt = row.ended_at ?? 0;
  dead.count++;
  dead.bytes += deadBytes(row);
  dead.oldest = Math.min(dead.oldest ?? endedAt, endedAt);
  trimDead(shard, WITH_A_DEATH);
}

/** Inside a transaction. @returns how many there were */
export function dropDead(shard: Shard, seqs: readonly Seq[]): number {
  if (seqs.length === 0) return 0;
  const { memory, sql } = shard;
  const gone = sql.all<{ bytes: number }>(DROP, JSON.stringify(seqs));
  memory.dead.count -= gone.length;
  for (const { bytes } of gone) memory.dead.bytes -= bytes;
  memory.dead.oldest = sql.all<{ oldest: number | null }>(OLDEST_END)[0]?.oldest ?? null;
  return gone.length;
}

/** Those past the queue's history time. Inside a transaction. */
export function forgetPastDead(shard: Shard, now: number): void {
  const { dead, settings } = shard.memory;
  if (dead.oldest === null || !settings) return;
  const before = now - settings.historyTtlSeconds * 1_000;
  if (dead.oldest > before) return;
  const past = shard.sql.all<{ seq: Seq }>(PAST, before, MOST_DEAD);
  dropDead(
    shard,
    past.map(({ seq }) => seq),
  );
}

/** Whether there are more than the queue may hold. */
export function hasTooManyDead({ memory: { dead, settings } }: Shard): boolean {
  if (!settings || dead.count === 0) return false;
  const most = deadShareOf(settings);
  return dead.count > most.count || dead.bytes > most.bytes;
}

/** The oldest go until what is left may stay, so many a call. Inside a transaction. */
export function trimDead(shard: Shard, atMost = MOST_DEAD): void {
  const { dead, settings } = shard.memory;
  if (!settings || !hasTooManyDead(shard)) return;
  const most = deadShareOf(settings);
  let { count, bytes } = dead;
  const seqs: Seq[] = [];
  const limit = dead.bytes > most.bytes ? atMost : Math.min(atMost, count - most.count);
  for (const row of shard.sql.all<{ seq: Seq; bytes: number }>(OLDEST, limit)) {
    if (count <= most.count && bytes <= most.bytes) break;
    seqs.push(row.seq);
    count--;
    bytes -= row.bytes;
  }
  tell(shard, dropDead(shard, seqs));
}

/** Of a queue in which everything fails, once a minute. */
function tell(shard: Shard, count: number): void {
  const { trimmed, ports, name } = shard;
  const now = ports.now();
  trimmed.count += count;
  if (now < trimmed.tellAt) return;
  ports.log("warn", "dead-letters-trimmed", { object: name, count: trimmed.count });
  trimmed.count = 0;
  trimmed.tellAt = now + TELL_EVERY_MS;
}
