/**
 * Looks how everything that is watched stands, and tells what has changed. A thousand tasks of a shard are one call: the
 * shard is sent what was seen of each and answers what differs. Tasks that it does not hold are looked for in history;
 * who is silent is asked again with the next look.
 */
import { Problem } from "../../core/errors.ts";
import type { QueueName, Seq, ShardAddress, TaskId } from "../../core/ids.ts";
import { taskId } from "../../core/ids.ts";
import { markOfRecord } from "../../core/mark.ts";
import type { QueueEntry } from "../../core/schema/directory-rpc.ts";
import type { FeedEvent } from "../../core/schema/live-feed.ts";
import { MAX_WATCHED } from "../../core/schema/watch-rpc.ts";
import { isFinished } from "../../core/status.ts";
import { type TaskRecord, toTask } from "../../core/task.ts";
import { ask, deadlineOf } from "../../reads/ask.ts";
import { countQueue } from "../../reads/count-queue.ts";
import { isFound, locate, type Missing, readKept } from "../../reads/find-tasks.ts";
import { fanOut } from "../stubs.ts";
import type { Feed, WatchedTask } from "./feed.ts";

const SHARD_MS = 1_000;
/** One answer tells a hundred changes; a thousand tasks that all changed take so many calls. */
const MOST_CALLS = 12;
const MAX_KEPT = 100;

/** @param onlyNew what somebody has begun to watch since the last look */
export async function poll(feed: Feed, onlyNew: boolean): Promise<void> {
  const isDue = ({ wasAsked }: { readonly wasAsked: boolean }) => !onlyNew || !wasAsked;
  const tasks = [...feed.tasks.values()].filter(isDue);
  for (const task of tasks) task.wasAsked = true;
  const queues = [...feed.queues].filter(([, watched]) => isDue(watched));
  for (const [, watched] of queues) watched.wasAsked = true;
  await Promise.all([
    fanOut(callsFor(tasks), (some) => pollShard(feed, some)),
    fanOut(queues, ([queue]) => pollQueue(feed, queue)),
  ]);
}

/** By shard, a thousand at most together. */
function callsFor(tasks: readonly WatchedTask[]): WatchedTask[][] {
  const calls: WatchedTask[][] = [];
  const open = new Map<string, WatchedTask[]>();
  for (const task of tasks) {
    const name = `${task.at.queue}.${task.at.shard}`;
    let call = open.get(name);
    if (call === undefined || call.length >= MAX_WATCHED) {
      call = [];
      open.set(name, call);
      calls.push(call);
    }
    call.push(task);
  }
  return calls;
}

/** Tasks of one shard, a thousand at most. */
async function pollShard(feed: Feed, tasks: readonly WatchedTask[]): Promise<void> {
  const at = tasks[0]?.at;
  if (!at) return;
  const { ports, log } = feed.reader;
  const bySeq = new Map(tasks.map((task) => [task.seq, task]));
  const absent: Seq[] = [];
  for (let calls = 0; calls < MOST_CALLS && bySeq.size > 0; calls++) {
    const seen = Array.from(bySeq.values(), ({ seq, mark }) => [seq, mark] as const);
    const question = { whom: `Shard ${at.shard} of ${at.queue}`, ms: SHARD_MS, lost: "unavailable" } as const;
    const answer = await ask(ports, log, question, () => ports.shard(at).watch({ v: 1, seen, waitMs: 0 }));
    if (!answer.ok || answer.changed.length === 0) break;
    for (const { seq, task } of answer.changed) {
      if (task === null) absent.push(seq);
      else tellTask(feed, at, task);
      bySeq.delete(seq);
    }
  }
  for (let from = 0; from < absent.length; from += MAX_KEPT)
    await pollHistory(feed, at, absent.slice(from, from + MAX_KEPT));
}

function tellTask(feed: Feed, at: ShardAddress, record: TaskRecord): void {
  const id = taskId(at, record.seq);
  const task = feed.tasks.get(id);
  if (task) task.mark = markOfRecord(record);
  tell(feed, id, { event: "task", task: toTask(at.queue, at.shard, record) }, isFinished(record.status));
}

/** What history cannot tell now it is asked again; what is nowhere is over. */
async function pollHistory(feed: Feed, at: ShardAddress, seqs: readonly Seq[]): Promise<void> {
  const { reader, tenant } = feed;
  const [first] = seqs;
  if (first === undefined) return;
  const deadline = deadlineOf(reader.ports);
  const located = await locate(reader, tenant, taskId(at, first), deadline);
  const found =
    "code" in located ? seqs.map(() => located) : await readKept(reader, located, seqs, { texts: false, deadline });
  for (const [i, seq] of seqs.entries()) {
    const kept = found[i];
    if (kept && isFound(kept)) tellTask(feed, at, kept.record);
    else if (kept && isNowhere(kept)) {
      const id = taskId(at, seq);
      tell(feed, id, { event: "error", code: kept.code, detail: kept.detail, id }, true);
    }
  }
}

function isNowhere({ code }: Missing): boolean {
  return code === "task-unknown" || code === "task-expired-from-history" || code === "task-deleted";
}

async function pollQueue(feed: Feed, queue: QueueName): Promise<void> {
  const { reader, tenant } = feed;
  const entry = await entryOf(feed, queue);
  if (entry === "silence") return;
  if (entry === null) {
    const gone = { event: "error", code: "queue-unknown", detail: `There is no queue ${queue} any more.` } as const;
    feed.toldQueue(queue, JSON.stringify(gone), true);
    return;
  }
  const counted = await countQueue(reader, tenant, entry);
  // A shard that is silent for once is no news, but at first.
  const isWhole = counted.shards.answered === counted.shards.asked;
  if (!isWhole && feed.queues.get(queue)?.text !== null) return;
  feed.toldQueue(queue, JSON.stringify({ event: "queue", queue, ...counted } satisfies FeedEvent), false);
}

async function entryOf({ reader }: Feed, queue: QueueName): Promise<QueueEntry | null | "silence"> {
  try {
    return await reader.known.queue(queue, false, deadlineOf(reader.ports));
  } catch (thrown) {
    if (thrown instanceof Problem) return "silence";
    throw thrown;
  }
}

function tell(feed: Feed, id: TaskId, event: FeedEvent, isOver: boolean): void {
  feed.toldTask(id, JSON.stringify(event), isOver);
}
