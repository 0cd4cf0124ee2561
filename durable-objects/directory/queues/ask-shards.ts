/** Every object that a queue ever had, asked how it stands. */
import type { Answer } from "../../../core/schema/answer.ts";
import type { QueueEntry } from "../../../core/schema/directory-rpc.ts";
import type { ShardSummary } from "../../../core/schema/rpc.ts";
import { callWithin, fanOut } from "../../stubs.ts";
import type { DirectoryState } from "../state.ts";
import { shardsOf } from "./queue-entry.ts";

const SHARD_WITHIN_MS = 1_000;

/** In the order of their numbers. Never rejects: one that is silent for a second is a refusal. */
export function summarizeShards(
  state: DirectoryState,
  entry: QueueEntry,
): Promise<Answer<{ readonly summary: ShardSummary }>[]> {
  const { ports } = state;
  return fanOut(shardsOf(state, entry), (shard) =>
    callWithin(ports, SHARD_WITHIN_MS, () => ports.shard(shard).summary({ v: 1 })),
  );
}
