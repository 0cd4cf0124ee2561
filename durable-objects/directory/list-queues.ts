/** Every queue, by name. */
import type { Answer } from "../../core/schema/answer.ts";
import type { QueueEntry } from "../../core/schema/directory-rpc.ts";
import { read } from "./perform.ts";
import { allQueues } from "./queue-entry.ts";
import { type DirectoryState, done } from "./state.ts";

export async function listQueues(state: DirectoryState): Promise<Answer<{ readonly entries: readonly QueueEntry[] }>> {
  return read(state, done({ entries: [] }), () => done({ entries: allQueues(state) }));
}
