/**
 * Who must be told that a task ended, beside history: the Cloudflare queue `dead-letters` (ids of FAILED tasks), the run
 * that a task is a node of, the Directory whose schedule fired it. Rows, written in the transaction that ends the task,
 * and sent until they were taken: at least once.
 * Must stay true: each sink has its own pace, and so has each receiver of one; none waits for another.
 */
import { cutByBytes, MAX_ANSWER_BYTES, utf8Bytes } from "../../../core/bytes.ts";
import { type RunId, type Seq, type TaskId, taskId } from "../../../core/ids.ts";
import type { Answer } from "../../../core/schema/answer.ts";
import { type FireEnd, MAX_TOLD_RESULT, type NodeEnd, type PartOf } from "../../../core/schema/workflow-rpc.ts";
import { isFinished } from "../../../core/status.ts";
import type { TaskRecord } from "../../../core/task.ts";
import { callWithin } from "../../stubs.ts";
import { armAlarm } from "../arm-alarm.ts";
import type { NoticePace } from "../memory.ts";
import type { NoticeSink, Shard } from "../shard.ts";
import { backoffOf, FLUSH_DELAY_MS } from "./outbox.ts";

const APPEND = "INSERT INTO notice (n, sink, receiver, body) VALUES (?, ?, ?, ?)";
/** Sizes first: what handlers spawned may be 1 MiB a row, and a hundred of these neither fit a call nor an object. */
const SIZES = "SELECT n, octet_length(body) AS bytes FROM notice WHERE sink = ? AND n > ? ORDER BY n LIMIT 100";
const NEXT = "SELECT n, receiver, body FROM notice WHERE sink = ? AND n > ? AND n <= ? ORDER BY n";
const FORGET = "DELETE FROM notice WHERE n IN (SELECT value FROM json_each(?))";

const FORGET_DATA = `UPDATE notice
  SET body = iif(body ->> '$.error' IS NULL, json_set(body, '$.result', NULL), json_set(body, '$.error.message', ''))
  WHERE iif(sink = 'dead-letters', FALSE, ?1 IN (body ->> '$.task', body ->> '$.made'))`;

const ANSWER_WITHIN_MS = 5_000;
/** Receivers that are told at a time. */
const MOST_AT_ONCE = 6;

interface NoticeRow {
  readonly n: number;
  readonly receiver: string | null;
  readonly body: string;
}

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

function append({ memory, sql }: Shard, sink: NoticeSink, receiver: string | null, body: string, at: number): void {
  const { notices } = memory;
  const pace = notices.sinks[sink];
  sql.run(APPEND, ++notices.last, sink, receiver, body);
  pace.count++;
  // Never before its receiver's backoff is over, which is nobody else's.
  const due = Math.max(at, pace.held.get(receiver)?.at ?? at);
  pace.at = Math.min(pace.at ?? due, due);
}

/** Those that are to start now; marked as under way, so that the alarm is not armed for them again. */
export function takeDueNotices(shard: Shard, now: number): NoticeSink[] {
  const { sinks } = shard.memory.notices;
  const due: NoticeSink[] = [];
  for (const sink of SINKS) {
    const { at } = sinks[sink];
    if (at === null || at > now || shard.flushing.has(sink)) continue;
    shard.flushing.set(sink, now);
    due.push(sink);
  }
  return due;
}
const SINKS = ["dead-letters", "run", "directory"] as const satisfies readonly NoticeSink[];

/** Sends what is due; whoever calls has marked it as under way. Never throws. */
export async function flushNotices(shard: Shard, sink: NoticeSink): Promise<void> {
  shard.memory.notices.sinks[sink].at = null;
  try {
    await sendAll(shard, sink);
    // What came during the flush has gone with it.
    const pace = shard.memory.notices.sinks[sink];
    pace.at = pace.count === 0 ? null : nextOf(pace);
  } catch {
    shard.memory.notices.sinks[sink].at = shard.ports.now() + backoffOf(1);
  } finally {
    shard.flushing.delete(sink);
    armAlarm(shard, shard.ports.now());
  }
}

function nextOf({ held }: NoticePace): number | null {
  let next: number | null = null;
  for (const { at } of held.values()) next = Math.min(next ?? at, at);
  return next;
}

/** Walks over all rows of a sink, those that come meanwhile included; a receiver that is held is passed over. */
async function sendAll(shard: Shard, sink: NoticeSink): Promise<void> {
  let after = 0;
  const failed = new Set<string | null>();
  for (;;) {
    const { forgotten } = shard;
    const rows = portionOf(shard, sink, after);
    const last = rows.at(-1);
    if (!last) return;
    after = last.n;
    const now = shard.ports.now();
    const { held } = shard.memory.notices.sinks[sink];
    const isFree = (receiver: string | null) => !failed.has(receiver) && (held.get(receiver)?.at ?? now) <= now;
    const groups = Array.from(Map.groupBy(rows, ({ receiver }) => receiver)).filter(([receiver]) => isFree(receiver));
    for (let from = 0; from < groups.length; from += MOST_AT_ONCE)
      await Promise.all(
        groups.slice(from, from + MOST_AT_ONCE).map(async ([receiver, group]) => {
          const isTaken = await send(shard, sink, receiver, group);
          if (shard.forgotten !== forgotten) return;
          if (isTaken) forget(shard, sink, group);
          else failed.add(receiver);
          note(shard, sink, receiver, isTaken);
        }),
      );
    if (shard.forgotten !== forgotten) return;
  }
}

/** The next rows, as many as one call may carry. */
function portionOf({ sql }: Shard, sink: NoticeSink, after: number): NoticeRow[] {
  const sizes = sql.all<{ readonly n: number; readonly bytes: number }>(SIZES, sink, after);
  const [portion = []] = cutByBytes(sizes, ({ bytes }) => bytes, MAX_ANSWER_BYTES);
  const last = portion.at(-1);
  return last ? sql.all<NoticeRow>(NEXT, sink, after, last.n) : [];
}

/** How it went with a receiver, for when it is asked again. */
function note({ memory, ports }: Shard, sink: NoticeSink, receiver: string | null, isTaken: boolean): void {
  const { held } = memory.notices.sinks[sink];
  const failures = (held.get(receiver)?.failures ?? 0) + 1;
  if (isTaken) held.delete(receiver);
  else held.set(receiver, { failures, at: ports.now() + backoffOf(failures) });
}

function forget(shard: Shard, sink: NoticeSink, rows: readonly NoticeRow[]): void {
  shard.transact(() => {
    shard.sql.run(FORGET, JSON.stringify(rows.map(({ n }) => n)));
    shard.memory.notices.sinks[sink].count -= rows.length;
  });
}

/** @returns whether they were taken, or nobody is there to take them */
async function send(
  shard: Shard,
  sink: NoticeSink,
  receiver: string | null,
  rows: readonly NoticeRow[],
): Promise<boolean> {
  const { ports, address } = shard;
  const { tenant } = address;
  const isTaken = (answer: Answer<object>) => answer.ok || answer.code === "workflow-unknown";
  switch (sink) {
    case "dead-letters":
      return await ports.sendDeadLetters(rows.map(({ body }) => body as TaskId)).then(
        () => true,
        () => false,
      );
    case "run": {
      const ends = rows.map(({ body }) => JSON.parse(body) as NodeEnd);
      const run = ports.workflow(tenant, receiver as RunId);
      return isTaken(await callWithin(ports, ANSWER_WITHIN_MS, () => run.ended({ v: 1, ends })));
    }
    case "directory": {
      const ends = rows.map(({ body }) => JSON.parse(body) as FireEnd);
      return isTaken(
        await callWithin(ports, ANSWER_WITHIN_MS, () => ports.directory(tenant).fireEnded({ v: 1, ends })),
      );
    }
    default:
      return sink satisfies never;
  }
}
