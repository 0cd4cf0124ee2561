/**
 * How a batch stands: its tasks by status. The shard counts what history has not taken yet, D1 the rest. A task that is
 * flushed between the two questions is counted twice; then the sum is above the batch's size and both are asked again.
 * Must stay true: a task that neither has is told as `gone` only where retention may have taken it. Younger than that
 * it never was, so nobody gave that batch out.
 */
import { countOf } from "../../core/count-of.ts";
import { Problem } from "../../core/errors.ts";
import {
  type BatchId,
  parseBatchId,
  type QueueName,
  type Seq,
  type ShardAddress,
  seqTime,
  type TenantName,
} from "../../core/ids.ts";
import type { QueueEntry } from "../../core/schema/directory-rpc.ts";
import { FINISHED, isFinished, STATUSES, type Status } from "../../core/status.ts";
import { answered, ask, deadlineOf, PATIENCE_MS, timeLeft } from "../../reads/ask.ts";
import { countInHistory } from "../../reads/find-in-history.ts";
import { knownPlace } from "../../reads/find-tasks.ts";
import type { Door } from "../door.ts";

type Counts = Record<Status, number>;

export interface BatchView {
  readonly batch: BatchId;
  readonly queue: QueueName;
  /** How many tasks it was submitted with. */
  readonly tasks: number;
  readonly counts: Readonly<Counts>;
  readonly finished: number;
  /** Past their retention. */
  readonly gone: number;
}

const ROUNDS = 3;
/** A seq may be ahead of the clock that made it, and its task's retention so much earlier than it says (core/ids.ts). */
const SEQ_AHEAD_MS = 60_000;

/**
 * @param waitMs 0, or how long to wait until all of it has ended
 * @throws Problem batch-unknown, and whatever shard or history refuse with
 */
export async function countBatch(door: Door, tenant: TenantName, id: string, waitMs: number): Promise<BatchView> {
  const parsed = parseBatchId(id);
  const entry = parsed && (await knownPlace(door, tenant, parsed, deadlineOf(door.ports)));
  if (!parsed || !entry) throw new Problem("batch-unknown", `There is no batch ${id}.`);
  const { queue, shard, seq: first, count } = parsed;
  const at = { tenant, queue, shard };
  if (waitMs > 0) await waitFor(door, at, first, count, waitMs);
  const deadline = deadlineOf(door.ports);
  for (let round = 1; ; round++) {
    const whom = `Shard ${shard} of ${queue}`;
    const ms = timeLeft(door.ports, deadline);
    const { counts: live } = answered(
      await ask(door.ports, door.log, { whom, ms, lost: "unavailable" }, () =>
        door.ports.shard(at).batch({ v: 1, first, count }),
      ),
    );
    const liveTotal = totalOf(live);
    const kept = liveTotal === count ? {} : await countKept(door, at, entry, { first, count, deadline }, live);
    const excess = liveTotal + totalOf(kept) - count;
    if (excess > 0 && round < ROUNDS) continue;
    const counts = join(live, kept, excess);
    const known = totalOf(counts);
    if (known === 0) throw new Problem("batch-unknown", `Nothing is left of a batch ${id}, if there was one.`);
    if (known < count && !mayHaveExpired(entry, first, door.ports.now()))
      throw new Problem(
        "batch-unknown",
        `There is no batch ${id}: of its ${countOf(count, "task")} only ${known} ever were.`,
      );
    const finished = FINISHED.reduce((sum, status) => sum + counts[status], 0);
    return { batch: id as BatchId, queue, tasks: count, counts, finished, gone: count - known };
  }
}

/** A wait whose answer is lost has only ended early: what follows tells how the batch stands. */
async function waitFor(door: Door, at: ShardAddress, first: Seq, count: number, waitMs: number): Promise<void> {
  const question = { whom: `Shard ${at.shard} of ${at.queue}`, ms: waitMs + PATIENCE_MS, lost: "unavailable" } as const;
  await ask(door.ports, door.log, question, () => door.ports.shard(at).batch({ v: 1, first, count, waitMs }));
}

/** Whether a task of the batch may have ended long enough ago to be forgotten. */
function mayHaveExpired({ settings }: QueueEntry, first: Seq, now: number): boolean {
  // Where a queue's history is bounded by bytes, age says nothing.
  return settings.historyMaxBytes !== null || seqTime(first) - SEQ_AHEAD_MS < now - settings.historyTtlSeconds * 1_000;
}

/** What history has that the shard has not. A FAILED task is in both while it is a dead letter. */
async function countKept(
  door: Door,
  at: ShardAddress,
  entry: QueueEntry,
  batch: { readonly first: Seq; readonly count: number; readonly deadline: number },
  live: Readonly<Record<string, number>>,
): Promise<Readonly<Record<string, number>>> {
  const { counts } = answered(await countInHistory(door, at, entry, batch));
  return { ...counts, FAILED: Math.max(0, (counts.FAILED ?? 0) - (live.FAILED ?? 0)) };
}

function totalOf(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

/** Both together; what is still counted twice after all rounds is taken off the statuses that both have. */
function join(live: Readonly<Record<string, number>>, kept: Readonly<Record<string, number>>, excess: number): Counts {
  const counts: Counts = Object.fromEntries(STATUSES.map((status) => [status, 0])) as Counts;
  let over = Math.max(0, excess);
  for (const status of STATUSES) {
    const twice = isFinished(status) ? Math.min(over, live[status] ?? 0, kept[status] ?? 0) : 0;
    over -= twice;
    counts[status] = (live[status] ?? 0) + (kept[status] ?? 0) - twice;
  }
  return counts;
}
