/**
 * Who must be told that a task ended, beside history: the Cloudflare queue `dead-letters` (ids of FAILED tasks), the run
 * that a task is a node of, the Directory whose schedule fired it. Rows, written in the transaction that ends the task,
 * and told until they were taken (tell-notices.ts): at least once.
 */
import { utf8Bytes } from "../../../core/bytes.ts";
import { type Seq, taskId } from "../../../core/ids.ts";
import { type FireEnd, MAX_TOLD_RESULT, type NodeEnd, type PartOf } from "../../../core/schema/workflow-rpc.ts";
import { isFinished } from "../../../core/status.ts";
import type { TaskRecord } from "../../../core/task.ts";
import type { NoticeSink, Shard } from "../shard.ts";
import { FLUSH_DELAY_MS } from "./outbox.ts";

const APPEND = "INSERT INTO notice (n, sink, receiver, body) VALUES (?, ?, ?, ?)";

const FORGET_DATA = `UPDATE notice
  SET body = iif(body ->> '$.error' IS NULL, json_set(body, '$.result', NULL), json_set(body, '$.error.message', ''))
  WHERE iif(sink = 'dead-letters', FALSE, ?1 IN (body ->> '$.task', body ->> '$.made'))`;

/** Inside a transaction. A dead letter goes with history's flush, so that one alarm serves both. */
export function noticeDead(shard: Shard, seq: Seq, now: number): void {
  append(shard, "dead-letters", null, taskId(shard.address, seq), now + FLUSH_DELAY_MS);
}

/**
 * Inside a transaction. Somebody waits for it: it is sent at once.
 * @param spawned JSON text of what the handler spawned
 */
export function noticeEnd(
  shard: Shard,
  record: TaskRecord,
  partOf: PartOf,
  spawned: string | undefined,
  now: number,
): void {
  const { status, error, result } = record;
  if (!isFinished(status)) throw new Error(`task ${record.seq} is ${status}, and was told as ended`);
  const end = {
    status,
    endedAt: record.endedAt ?? now,
    error: error && { code: error.code, message: error.message },
  };
  const task = taskId(shard.address, record.seq);
  if ("schedule" in partOf) {
    const told: FireEnd = { ...end, ...partOf, made: task };
    append(shard, "directory", null, JSON.stringify(told), now);
    return;
  }
  const isTold = result !== null && utf8Bytes(result) <= MAX_TOLD_RESULT;
  const spawn = spawned === undefined ? {} : { spawned };
  const told: NodeEnd = { ...end, node: partOf.node, task, result: isTold ? result : null, ...spawn };
  append(shard, "run", partOf.run, JSON.stringify(told), now);
}

/** Its run or schedule is still told how it ended, and nothing else of it. Inside a transaction. */
export function forgetTold({ address, sql }: Shard, seq: Seq): void {
  sql.run(FORGET_DATA, taskId(address, seq));
}

function append(shard: Shard, sink: NoticeSink, receiver: string | null, body: string, at: number): void {
  const { notices } = shard.memory;
  const n = ++notices.last;
  shard.sql.run(APPEND, n, sink, receiver, body);
  const pace = notices.sinks[sink];
  pace.count++;
  const waiting = pace.receivers.get(receiver) ?? { count: 0, first: n, last: n, failures: 0, at };
  pace.receivers.set(receiver, waiting);
  waiting.count++;
  waiting.last = n;
  // Never before its backoff is over.
  if (waiting.failures === 0) waiting.at = Math.min(waiting.at, at);
  // Where it is being told, this goes with what came meanwhile.
  if (!shard.telling[sink].has(receiver)) pace.at = Math.min(pace.at ?? waiting.at, waiting.at);
}
