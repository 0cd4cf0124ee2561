/** Of what is done to many tasks, what is one shard's: ids are named for the whole queue, a shard is asked for its own. Pure. */
import { type ShardAddress, seqsAt, type TaskId } from "./ids.ts";
import type { BulkWork } from "./schema/bulk-rpc.ts";

type At = Pick<ShardAddress, "queue" | "shard">;

/** As it is where no ids were told. */
export function workAt(work: BulkWork, ids: readonly TaskId[] | null | undefined, at: At): BulkWork {
  // Spelled out, so that each action keeps its own kind of filter.
  return work.action === "cancel"
    ? { ...work, filter: filterAt(work.filter, ids, at) }
    : { ...work, filter: filterAt(work.filter, ids, at) };
}

export function filterAt<Filter extends BulkWork["filter"]>(
  filter: Filter,
  ids: readonly TaskId[] | null | undefined,
  at: At,
): Filter {
  return ids ? { ...filter, seqs: seqsAt(ids, at) } : filter;
}
