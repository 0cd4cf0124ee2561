/** Who watches hears: whatever a step changed of a task that somebody watches, a look at it is due. */
import { markOfRecord } from "../../core/mark.ts";
import { FINISHED } from "../../core/status.ts";
import { read } from "../../durable-objects/queue-shard/reads/read.ts";
import type { Shard } from "../../durable-objects/queue-shard/shard.ts";
import { must } from "./violation.ts";

export function checkWatchers(shard: Shard): void {
  if (shard.stopWatchLook !== null) return;
  for (const { seen } of shard.watchers) {
    const answer = read(shard, { v: 1, seqs: seen.map(([seq]) => seq), texts: false });
    for (const [i, [seq, mark]] of seen.entries()) {
      const task = answer.ok ? (answer.tasks[i] ?? null) : null;
      // What has ended leaves its shard, and that is no news.
      if (task === null && FINISHED.some((status) => mark?.split(".")[1] === status)) continue;
      const stands = task === null ? null : markOfRecord(task);
      must(isSame(stands, mark), () => `task ${seq} is ${stands}, was seen as ${mark}, and no look is due`);
    }
  }
}

/** But for what memory alone knows (when it began, how far it is): that may be lost unseen, and is told anew. */
function isSame(one: string | null, other: string | null): boolean {
  const lasting = (mark: string | null) => mark?.split(".").slice(0, 2).join();
  return lasting(one) === lasting(other);
}
