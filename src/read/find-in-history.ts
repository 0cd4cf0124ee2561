/** What D1 has of a shard's tasks. Silence there is 503 `history-unavailable`, never 404: the task may well exist. */
import type { Seq, ShardAddress } from "../../core/ids.ts";
import type { Answer, QueueEntry, ReadAnswer } from "../../core/schema/rpc.ts";
import { refusal } from "../ask.ts";
import type { Door } from "../door.ts";

export async function findInHistory(
  door: Door,
  at: ShardAddress,
  entry: QueueEntry,
  seqs: readonly Seq[],
  _deadline: number,
): Promise<ReadAnswer> {
  const database = door.ports.history(entry.settings.history);
  if (database === null)
    return refusal("misconfigured", `HISTORY_${entry.settings.history} is not bound; bind it in wrangler.toml.`);
  return refusal("history-unavailable", `${at.queue} ${seqs.length}`);
}

export async function countInHistory(
  _door: Door,
  at: ShardAddress,
  _entry: QueueEntry,
  _first: Seq,
  _count: number,
): Promise<Answer<{ readonly counts: Readonly<Record<string, number>> }>> {
  return refusal("history-unavailable", at.queue);
}
