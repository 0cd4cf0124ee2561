/** GET /queues/{queue}/next: what a queue starts next, in order, and what holds the rest of it back. */
import { type QueueName, taskId } from "../../core/ids.ts";
import { mergeNext, type QueueNext, type ShardNext } from "../../core/merge-next.ts";
import { iso } from "../../core/task.ts";
import { fanOut } from "../../durable-objects/stubs.ts";
import { ask, deadlineOf } from "../../reads/ask.ts";
import type { Ctx, Door } from "../door.ts";
import { json } from "../middleware/answer.ts";
import { readWhole } from "../read/read-query.ts";
import { nameOf, unknownQueue } from "./queue-name.ts";

const MAX_NEXT = 100;
const SHARD_MS = 1_000;

/** `?n=` (20). A shard that does not answer in a second is missing from the list, and `shards` says so. */
export async function nextTasks(door: Door, c: Ctx): Promise<Response> {
  const queue = nameOf(c);
  const n = readWhole(c, "n", 1, MAX_NEXT) ?? 20;
  const entry = await door.known.queue(queue, false, deadlineOf(door.ports));
  if (entry === null) throw unknownQueue(queue);
  const { tenant } = c.env;
  const numbers = Array.from({ length: entry.shardsEver }, (_, shard) => shard);
  const answers = await fanOut(numbers, async (shard): Promise<ShardNext | null> => {
    const whom = `Shard ${shard} of ${queue}`;
    const answer = await ask(door.ports, door.log, { whom, ms: SHARD_MS, lost: "unavailable" }, () =>
      door.ports.shard({ tenant, queue, shard }).next({ v: 1, n }),
    );
    return answer.ok ? { shard, answer } : null;
  });
  const answered = answers.filter((answer) => answer !== null);
  const merged = mergeNext(answered, n);
  const shards = { asked: answers.length, answered: answered.length };
  const isExact = merged.isExact && shards.answered === shards.asked;
  return json({ queue, asOf: iso(door.ports.now()), ...viewOf(merged, queue), exact: isExact, shards });
}

function viewOf(found: QueueNext, queue: QueueName) {
  const { tasks, mayStart, heldBack, heldByOthers, queued, notDue, nextDueAt, blocked } = found;
  return {
    next: tasks.map(({ shard, seq, type, priority, rank, createdAt, limitKey, fairnessKey }) => ({
      id: taskId({ queue, shard }, seq),
      type,
      priority,
      ...(rank !== priority && { raisedTo: rank }),
      createdAt: iso(createdAt),
      ...(limitKey !== null && { limitKey }),
      ...(fairnessKey !== null && { fairnessKey }),
    })),
    mayStart,
    heldBack: heldBack.map(({ reason, count }) => ({ ...reason, count })),
    ...(heldByOthers > 0 && { heldByOthers }),
    queued,
    notDue,
    nextDueAt: nextDueAt === null ? null : iso(nextDueAt),
    blocked,
  };
}
