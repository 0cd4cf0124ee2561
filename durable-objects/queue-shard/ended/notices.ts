/**
 * Who must be told that a task ended, beside history: today the Cloudflare queue `dead-letters` (ids of FAILED tasks).
 * Each sink has its own rows and its own pace; none waits for another.
 */
import { type Seq, type TaskId, taskId } from "../../../core/ids.ts";
import { armAlarm } from "../arm-alarm.ts";
import type { FlushSink, Shard } from "../shard.ts";
import { backoffOf, FLUSH_DELAY_MS } from "./outbox.ts";

const APPEND = "INSERT INTO notice (n, sink, body) VALUES (?, ?, ?)";
const NEXT = "SELECT n, body FROM notice WHERE sink = ? ORDER BY n LIMIT 100";
const FORGET = "DELETE FROM notice WHERE n IN (SELECT value FROM json_each(?))";

/** Inside a transaction. */
export function appendNotice(shard: Shard, sink: Exclude<FlushSink, "history">, seq: Seq, now: number): void {
  const { memory } = shard;
  shard.sql.run(APPEND, ++memory.notices.last, sink, taskId(shard.address, seq));
  memory.notices.count++;
  // With history's flush, so that one alarm serves both; never before a backoff is over.
  const at = now + FLUSH_DELAY_MS;
  if (memory.noticeFlush.failures === 0) memory.noticeFlush.at = Math.min(memory.noticeFlush.at ?? at, at);
}

/** Sends what is due. Started by the alarm, which has marked it as under way. Never throws. */
export async function flushNotices(shard: Shard): Promise<void> {
  const flush = shard.memory.noticeFlush;
  flush.at = null;
  try {
    for (;;) {
      const rows = shard.sql.all<{ n: number; body: TaskId }>(NEXT, "dead-letters");
      if (rows.length === 0) break;
      const { forgotten } = shard;
      await shard.ports.sendDeadLetters(rows.map((row) => row.body));
      if (shard.forgotten !== forgotten) break;
      shard.transact(() => {
        shard.sql.run(FORGET, JSON.stringify(rows.map((row) => row.n)));
        shard.memory.notices.count -= rows.length;
      });
      shard.memory.noticeFlush.failures = 0;
    }
    // What came during the flush has gone with it.
    shard.memory.noticeFlush.at = null;
  } catch {
    const { noticeFlush } = shard.memory;
    noticeFlush.at = shard.ports.now() + backoffOf(++noticeFlush.failures);
  } finally {
    shard.flushing.delete("dead-letters");
    armAlarm(shard, shard.ports.now());
  }
}
