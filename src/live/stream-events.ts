/**
 * The events of one task as they happen: what its timeline tells, then what its shard tells whoever watches. Nothing is
 * kept between two looks but the last move that was told and the task's mark, so a stream is begun anew anywhere. It
 * ends by itself after five minutes, and wherever nobody answers: the client comes again and goes on.
 */
import { ERRORS, Problem } from "../../core/errors.ts";
import { type TenantName, taskId } from "../../core/ids.ts";
import { markOfRecord } from "../../core/mark.ts";
import { movesAfter, nameMoves } from "../../core/move-ids.ts";
import { isFinished } from "../../core/status.ts";
import { type TaskRecord, toTask } from "../../core/task.ts";
import { timelineOf, toMoveView } from "../../core/timeline.ts";
import { ask, PATIENCE_MS } from "../../reads/ask.ts";
import { type Found, findTask, type Missing } from "../../reads/find-tasks.ts";
import type { Reader } from "../../reads/reader.ts";
import { eventText, HEARTBEAT, retryText } from "./write-event.ts";

/** The id of the last event: who comes again with it has seen all. */
export const END_ID = "end";
const RETRY_MS = 2_000;
const HEARTBEAT_MS = 10_000;
const STREAM_MS = 300_000;
/** Looks in one stream: an invocation may make a thousand calls. */
const MOST_LOOKS = 500;
/** Between two looks: what changes faster is told at once. */
const PAUSE_MS = 200;
/** Answers after which there is nothing to come for. */
const DEFINITE: ReadonlySet<number> = new Set([404, 410]);

/** @param lastId of the last move that the client has seen; null: none */
export function streamEvents(
  reader: Reader,
  tenant: TenantName,
  found: Found,
  lastId: string | null,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const texts = textsOf(reader, tenant, found, lastId);
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await texts.next();
        if (done) controller.close();
        else controller.enqueue(encoder.encode(value));
      },
      // What waits for the shard hears nothing of it, and is over within a heartbeat.
      cancel: () => void texts.return(),
    },
    { highWaterMark: 0 },
  );
}

async function* textsOf(
  reader: Reader,
  tenant: TenantName,
  { at, record: first }: Found,
  lastId: string | null,
): AsyncGenerator<string, void> {
  const { ports } = reader;
  const until = ports.now() + STREAM_MS;
  const told: Told = { id: lastId, progress: null };
  let record = first;
  let text = retryText(RETRY_MS);
  for (let looks = 0; ; looks++) {
    text += newsOf({ at, record }, told);
    if (text !== "") yield text;
    if (isFinished(record.status) || looks >= MOST_LOOKS || ports.now() >= until) return;
    const looked = await look(reader, tenant, { at, record });
    if (looked === null) return;
    if ("code" in looked) {
      yield eventText({ event: "gone", data: looked });
      return;
    }
    text = looked === record ? HEARTBEAT : "";
    record = looked;
  }
}

/** What the client has been told, moved on as it is told more. */
interface Told {
  id: string | null;
  /** JSON text. */
  progress: string | null;
}

function newsOf({ at, record }: Found, told: Told): string {
  let text = "";
  for (const { id, move } of movesAfter(nameMoves(timelineOf(record).moves), told.id)) {
    text += eventText({ event: "move", id, data: toMoveView(move) });
    told.id = id;
  }
  const { progress, status } = record;
  if (progress !== null && progress !== told.progress)
    text += eventText({ event: "progress", data: JSON.parse(progress) });
  told.progress = progress;
  if (isFinished(status)) text += eventText({ event: "end", id: END_ID, data: toTask(at.queue, at.shard, record) });
  return text;
}

/**
 * The task when it stands otherwise; as it was, after a heartbeat's time; why it is not there any more; null where nobody
 * can tell, or we are to go.
 */
async function look(reader: Reader, tenant: TenantName, { at, record }: Found): Promise<TaskRecord | Missing | null> {
  const { ports, log } = reader;
  const question = {
    whom: `Shard ${at.shard} of ${at.queue}`,
    ms: HEARTBEAT_MS + PATIENCE_MS,
    lost: "unavailable",
  } as const;
  await new Promise<void>((resolve) => ports.later(PAUSE_MS, resolve));
  const answer = await ask(ports, log, question, () =>
    ports.shard(at).watch({ v: 1, seen: [[record.seq, markOfRecord(record)]], waitMs: HEARTBEAT_MS }),
  );
  if (!answer.ok || answer.stopping) return null;
  const [changed] = answer.changed;
  if (!changed) return record;
  return changed.task ?? (await findEnded(reader, tenant, { at, record }));
}

/** It has left its shard: history has it by then. */
async function findEnded(
  reader: Reader,
  tenant: TenantName,
  { at, record }: Found,
): Promise<TaskRecord | Missing | null> {
  try {
    return (await findTask(reader, tenant, taskId(at, record.seq), {})).record;
  } catch (thrown) {
    if (!(thrown instanceof Problem)) throw thrown;
    const { code, detail } = thrown;
    return DEFINITE.has(ERRORS[code].status) ? { code, detail } : null;
  }
}
