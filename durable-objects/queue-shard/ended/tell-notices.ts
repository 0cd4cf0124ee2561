/**
 * Tells each receiver what there is to tell it, one call at a time; what comes meanwhile waits for its answer and goes
 * together. Starts in the background what is due; each answer makes room for the next.
 * Must stay true: a receiver that is silent holds up no other for longer than {@link SLOW_MS}. Which are being told is in
 * memory alone: a row stays until its receiver has answered, so what a lost object had sent is sent again.
 */
import { cutByBytes, MIB } from "../../../core/bytes.ts";
import type { RunId, TaskId } from "../../../core/ids.ts";
import type { Answer } from "../../../core/schema/answer.ts";
import type { FireEnd, NodeEnd } from "../../../core/schema/workflow-rpc.ts";
import { callWithin } from "../../stubs.ts";
import { armAlarm } from "../arm-alarm.ts";
import type { WaitingNotices } from "../memory.ts";
import { NOTICE_SINKS, type NoticeSink, type Shard, type Telling } from "../shard.ts";
import { backoffOf } from "./outbox.ts";

const ROWS = "FROM notice WHERE n BETWEEN ? AND ? AND sink = ? AND receiver IS ? ORDER BY n LIMIT 100";
/** Sizes first: what handlers spawned may be 1 MiB a row, and a hundred of these neither fit a call nor an object. */
const SIZES = `SELECT n, octet_length(body) AS bytes ${ROWS}`;
const BODIES = `SELECT n, body ${ROWS}`;
const FORGET = "DELETE FROM notice WHERE n IN (SELECT value FROM json_each(?))";

const ANSWER_WITHIN_MS = 5_000;
/** Who has not answered after this, or did not the last time, has none of the places of the others. */
const SLOW_MS = 1_000;
/** Of either kind. Those that became slow are never more than four times as many, since none is waited for after 5 s. */
const PLACES = 6;
/** So that all that are told at a time fit an object. */
const MOST_BYTES = MIB;

interface Row {
  readonly n: number;
  readonly body: string;
}

/** Cheap where nothing is due. */
export function tellDueNotices(shard: Shard, now: number): void {
  for (const sink of NOTICE_SINKS) {
    const { at } = shard.memory.notices.sinks[sink];
    if (at !== null && at <= now) tellDue(shard, sink, now);
  }
}

/** Whoever is due and finds no place has one when somebody has answered, or is known as slow. */
function tellDue(shard: Shard, sink: NoticeSink, now: number): void {
  const pace = shard.memory.notices.sinks[sink];
  const telling = shard.telling[sink];
  const taken = { slow: 0, others: 0 };
  for (const { isSlow } of telling.values()) taken[isSlow ? "slow" : "others"]++;
  const begun: [string | null, WaitingNotices, Telling][] = [];
  pace.at = null;
  for (const [receiver, waiting] of pace.receivers) {
    if (telling.has(receiver)) continue;
    if (waiting.at > now) {
      pace.at = Math.min(pace.at ?? waiting.at, waiting.at);
      continue;
    }
    const isSlow = waiting.failures > 0;
    const kind = isSlow ? "slow" : "others";
    if (taken[kind] >= PLACES) continue;
    taken[kind]++;
    const one = { since: now, isSlow };
    telling.set(receiver, one);
    begun.push([receiver, waiting, one]);
  }
  for (const [receiver, waiting, one] of begun) shard.host.keepAlive(tell(shard, sink, receiver, waiting, one));
}

/** Never throws. */
async function tell(
  shard: Shard,
  sink: NoticeSink,
  receiver: string | null,
  waiting: WaitingNotices,
  one: Telling,
): Promise<void> {
  const { forgotten, ports } = shard;
  const stop = ports.later(SLOW_MS, () => {
    one.isSlow = true;
    tellDue(shard, sink, ports.now());
    armAlarm(shard, ports.now());
  });
  let isTaken = false;
  try {
    const rows = portionOf(shard, sink, receiver, waiting);
    isTaken = await send(shard, sink, receiver, rows);
    if (isTaken && shard.forgotten === forgotten) forget(shard, sink, receiver, rows);
  } catch {
    isTaken = false;
  } finally {
    stop();
    shard.telling[sink].delete(receiver);
    const now = ports.now();
    if (shard.forgotten === forgotten) note(shard, sink, receiver, isTaken);
    tellDue(shard, sink, now);
    armAlarm(shard, now);
  }
}

/** The first rows of a receiver, as many as one call may carry. */
function portionOf({ sql }: Shard, sink: NoticeSink, receiver: string | null, { first, last }: WaitingNotices): Row[] {
  const sizes = sql.all<{ readonly n: number; readonly bytes: number }>(SIZES, first, last, sink, receiver);
  const [portion = []] = cutByBytes(sizes, ({ bytes }) => bytes, MOST_BYTES);
  const end = portion.at(-1);
  if (!end) throw new Error(`there is nothing to tell ${sink} ${receiver}`);
  return sql.all<Row>(BODIES, first, end.n, sink, receiver);
}

/** When it is told the rest, or the same again. */
function note({ memory, ports }: Shard, sink: NoticeSink, receiver: string | null, isTaken: boolean): void {
  const { receivers } = memory.notices.sinks[sink];
  const waiting = receivers.get(receiver);
  if (!waiting) return;
  waiting.failures = isTaken ? 0 : waiting.failures + 1;
  waiting.at = ports.now() + (isTaken ? 0 : backoffOf(waiting.failures));
  // Its turn is after those that wait already.
  receivers.delete(receiver);
  receivers.set(receiver, waiting);
}

function forget(shard: Shard, sink: NoticeSink, receiver: string | null, rows: readonly Row[]): void {
  shard.transact(() => {
    shard.sql.run(FORGET, JSON.stringify(rows.map(({ n }) => n)));
    const pace = shard.memory.notices.sinks[sink];
    pace.count -= rows.length;
    const waiting = pace.receivers.get(receiver);
    if (!waiting) return;
    waiting.count -= rows.length;
    waiting.first = (rows.at(-1)?.n ?? waiting.first) + 1;
    if (waiting.count <= 0) pace.receivers.delete(receiver);
  });
}

/** @returns whether they were taken, or nobody is there to take them */
async function send(shard: Shard, sink: NoticeSink, receiver: string | null, rows: readonly Row[]): Promise<boolean> {
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
