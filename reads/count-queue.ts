/** How a queue stands: its shards' counts, summed up. */
import type { TenantName } from "../core/ids.ts";
import type { QueueEntry } from "../core/schema/directory-rpc.ts";
import type { ShardSummary } from "../core/schema/rpc.ts";
import { iso } from "../core/task.ts";
import { fanOut } from "../durable-objects/stubs.ts";
import { ask } from "./ask.ts";
import type { Reader } from "./reader.ts";

/** What a shard has to tell its counts. */
const SUMMARY_MS = 1_000;

const COUNTED = [
  "depth",
  "queued",
  "scheduled",
  "blocked",
  "running",
  "deadLetters",
  "sessions",
  "outboxRows",
  "outboxBytes",
  "pendingDeliveries",
] as const;

export interface QueueCounts {
  readonly counts: Readonly<Record<(typeof COUNTED)[number], number>> & { readonly oldestQueuedAt: string | null };
  readonly shards: { readonly asked: number; readonly answered: number };
}

/** Asks every shard that the queue ever had; one that does not answer in a second is missing, and `shards` says so. */
export async function countQueue(
  reader: Reader,
  tenant: TenantName,
  { queue, shardsEver }: Pick<QueueEntry, "queue" | "shardsEver">,
): Promise<QueueCounts> {
  const numbers = Array.from({ length: shardsEver }, (_, shard) => shard);
  const answers = await fanOut(numbers, async (shard) => {
    const whom = `Shard ${shard} of ${queue}`;
    const answer = await ask(reader.ports, reader.log, { whom, ms: SUMMARY_MS, lost: "unavailable" }, () =>
      reader.ports.shard({ tenant, queue, shard }).summary({ v: 1 }),
    );
    return answer.ok ? answer.summary : null;
  });
  const summaries = answers.filter((summary) => summary !== null);
  return { counts: sumUp(summaries), shards: { asked: answers.length, answered: summaries.length } };
}

function sumUp(summaries: readonly ShardSummary[]): QueueCounts["counts"] {
  const counts = {
    depth: 0,
    queued: 0,
    scheduled: 0,
    blocked: 0,
    running: 0,
    deadLetters: 0,
    sessions: 0,
    outboxRows: 0,
    outboxBytes: 0,
    pendingDeliveries: 0,
  };
  let oldest: number | null = null;
  for (const summary of summaries) {
    for (const field of COUNTED) counts[field] += summary[field] ?? 0;
    const { oldestQueuedAt } = summary;
    if (oldestQueuedAt !== null) oldest = Math.min(oldest ?? oldestQueuedAt, oldestQueuedAt);
  }
  return { ...counts, oldestQueuedAt: oldest === null ? null : iso(oldest) };
}
