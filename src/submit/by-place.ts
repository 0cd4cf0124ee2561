/** Which tasks of a batch go together, where each is for itself. */
import { bestShard, namedShard } from "../../core/placement.ts";
import type { QueueEntry } from "../../core/schema/directory-rpc.ts";
import type { NewTask } from "../../core/schema/rpc.ts";
import type { ReadBatch } from "./read-tasks.ts";

export interface PlacedTogether {
  readonly entry: QueueEntry;
  readonly members: { readonly index: number; readonly task: NewTask }[];
}

/** By queue, and by the shard where a key names one: a shard must hear of a request under one Idempotency-Key once. */
export function byPlace(
  { tasks, entries }: ReadBatch,
  idempotencyKey: string | undefined,
): Map<string, PlacedTogether> {
  const loads = new Map<string, PlacedTogether>();
  for (const [index, task] of tasks.entries()) {
    const entry = entries[index];
    if (task === null || !entry) continue;
    const shard = namedShard(entry.settings, [task], idempotencyKey).shard ?? bestShard(entry.settings, [task]);
    const place = shard === null ? entry.queue : `${entry.queue} ${shard}`;
    const load = loads.get(place) ?? { entry, members: [] };
    loads.set(place, load);
    load.members.push({ index, task });
  }
  return loads;
}
