/**
 * What D1 has of a shard's tasks. Silence there is 503 `history-unavailable`, never 404: the task may well exist. Of a
 * queue that was deleted and made again, what was before is not told, though D1 may still have it.
 */
import type { Seq, ShardAddress } from "../core/ids.ts";
import type { HistoryDatabase } from "../core/ports.ts";
import type { Answer, Refusal } from "../core/schema/answer.ts";
import type { QueueEntry } from "../core/schema/directory-rpc.ts";
import type { ReadAnswer } from "../core/schema/rpc.ts";
import { countHistory, readHistory, type Unavailable } from "../history/read.ts";
import { refusal, timeLeft } from "./ask.ts";
import type { TaskReader } from "./reader.ts";

/**
 * Tasks that a shard does not have, in order; null for those that history has not either.
 * @param texts payload and result too, up to 1.3 MiB a task
 */
export async function findInHistory(
  reader: TaskReader,
  at: ShardAddress,
  entry: QueueEntry,
  seqs: readonly Seq[],
  { texts, deadline }: { readonly texts: boolean; readonly deadline: number },
): Promise<ReadAnswer> {
  const database = databaseOf(reader, entry);
  if ("code" in database) return database;
  const ms = timeLeft(reader.ports, deadline);
  const mark = await reader.known.firstSeq(at, entry, deadline);
  if (!mark.ok) return mark;
  const answer = await readHistory(database, at, seqs, reader.ports, { texts, ms });
  if (!answer.ok) return silent(reader, entry, answer);
  return { v: 1, ok: true, tasks: answer.tasks.map((task) => (task && task.seq >= mark.first ? task : null)) };
}

/** How many of a batch history has, by status. */
export async function countInHistory(
  reader: TaskReader,
  at: ShardAddress,
  entry: QueueEntry,
  batch: { readonly first: Seq; readonly count: number; readonly deadline: number },
): Promise<Answer<{ readonly counts: Readonly<Record<string, number>> }>> {
  const database = databaseOf(reader, entry);
  if ("code" in database) return database;
  const ms = timeLeft(reader.ports, batch.deadline);
  const answer = await countHistory(database, at, batch.first, batch.count, reader.ports, ms);
  return answer.ok ? { v: 1, ok: true, counts: answer.counts } : silent(reader, entry, answer);
}

function databaseOf({ ports }: TaskReader, { settings }: QueueEntry): HistoryDatabase | Refusal {
  const name = `HISTORY_${settings.history}`;
  return ports.history(settings.history) ?? refusal("misconfigured", `${name} is not bound; bind it in wrangler.toml.`);
}

function silent({ log }: TaskReader, { queue, settings }: QueueEntry, { reason }: Unavailable): Refusal {
  log("warn", "history-unavailable", { queue, database: settings.history, reason });
  return refusal("history-unavailable", "The history database does not answer; the task may be there.");
}
