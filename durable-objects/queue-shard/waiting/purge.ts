/**
 * Ends tasks that wait, a portion a call: CANCELLED, each with its record, so that who asks for one is told what became
 * of it. `upTo` is the newest task at the first call: one that comes while the queue is purged is not meant, and the
 * purge of a queue that is being filled ends.
 */
import { MAX_ANSWER_BYTES } from "../../../core/bytes.ts";
import type { Seq } from "../../../core/ids.ts";
import type { PurgeAnswer, PurgeRequest } from "../../../core/schema/rpc.ts";
import { afterOperation } from "../after.ts";
import { tellWaiters } from "../reads/wait.ts";
import type { Shard } from "../shard.ts";
import { historyBacklog } from "../submit/room.ts";
import { TASK_COLUMNS, type TaskRow } from "../task-rows.ts";
import { leaveWaiting } from "./leave-waiting.ts";

/** Scanned in the order of ids, so each row once however many calls it takes. */
const FIND = `SELECT seq, length(payload) AS chars FROM task
  WHERE seq > ?1 AND seq <= ?2 AND status IN (SELECT value FROM json_each(?3)) ORDER BY seq LIMIT ?4`;
const ROWS = `SELECT ${TASK_COLUMNS} FROM task WHERE seq IN (SELECT value FROM json_each(?)) ORDER BY seq`;

/** A transaction of so many takes about 20 ms. */
const MOST = 1_000;

const ENDING = { to: "CANCELLED", cause: "its queue was purged" } as const;

export function purge(shard: Shard, request: PurgeRequest): PurgeAnswer {
  const { memory } = shard;
  const { after = 0, upTo = memory.lastSeq as Seq } = request;
  const nothing: PurgeAnswer = { v: 1, ok: true, purged: 0, after, upTo, more: false };
  if (!memory.hasTables) return nothing;
  if (historyBacklog(memory)) return { ...nothing, more: true };
  const now = shard.ports.now();
  const seqs = portion(shard, request.statuses, after, upTo);
  const last = seqs.at(-1);
  if (last === undefined) return nothing;
  const ended = shard.transact(() => {
    const rows = shard.sql.all<TaskRow>(ROWS, JSON.stringify(seqs));
    return leaveWaiting(shard, rows, () => ENDING, now);
  });
  tellWaiters(shard, ended);
  afterOperation(shard, now);
  return { v: 1, ok: true, purged: ended.length, after: last, upTo, more: true };
}

/** The next tasks, as many as one transaction and the records that it writes may have. */
function portion({ sql }: Shard, statuses: readonly string[], after: number, upTo: number): Seq[] {
  const seqs: Seq[] = [];
  let chars = 0;
  for (const row of sql.all<{ seq: Seq; chars: number }>(FIND, after, upTo, JSON.stringify(statuses), MOST)) {
    chars += row.chars;
    if (seqs.length > 0 && chars > MAX_ANSWER_BYTES) break;
    seqs.push(row.seq);
  }
  return seqs;
}
