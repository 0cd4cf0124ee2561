/** Every queue by name, or those whose lease is too short. */
import type { Answer } from "../../../core/schema/answer.ts";
import type { QueueEntry, ShortLeasesAnswer } from "../../../core/schema/directory-rpc.ts";
import { read } from "../perform.ts";
import { type DirectoryState, done } from "../state.ts";
import { allQueues, queuesWithLeaseTo } from "./queue-entry.ts";

const MAX_NAMED = 10;

export async function listQueues(state: DirectoryState): Promise<Answer<{ readonly entries: readonly QueueEntry[] }>> {
  return read(state, done({ entries: [] }), () => done({ entries: allQueues(state) }));
}

export async function shortLeases(
  state: DirectoryState,
  request: { readonly leaseMs: number },
): Promise<ShortLeasesAnswer> {
  return read(state, done({ queues: [] }), () =>
    done({ queues: queuesWithLeaseTo(state, request.leaseMs, MAX_NAMED) }),
  );
}
