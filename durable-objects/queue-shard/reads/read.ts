/** A task by id, as far as the shard has it: live, a dead letter, or finished and not yet taken by history. */
import type { Seq } from "../../../core/ids.ts";
import type { BatchAnswer, BatchRequest, ReadAnswer, ReadRequest } from "../../../core/schema/rpc.ts";
import type { TaskRecord } from "../../../core/task.ts";
import { countInOutbox, findInOutbox } from "../ended/outbox.ts";
import { refuse, type Shard } from "../shard.ts";
import { recordOf, rowsOf, type TaskRow } from "../task-rows.ts";

const COUNTS = "SELECT status, count(*) AS count FROM task WHERE seq >= ?1 AND seq < ?1 + ?2 GROUP BY status";

export const MAX_READ = 100;

export function read(shard: Shard, request: ReadRequest): ReadAnswer {
  if (request.seqs.length > MAX_READ) return refuse("invalid-request", `at most ${MAX_READ} tasks a call`);
  if (!shard.memory.hasTables) return { v: 1, ok: true, tasks: request.seqs.map(() => null) };
  const found = new Map<Seq, TaskRecord>();
  const whole = request.texts !== false;
  for (const row of rowsOf(shard.sql, request.seqs, whole)) found.set(row.seq, recordOf(row, runningOf(shard, row)));
  const missing = request.seqs.filter((seq) => !found.has(seq));
  for (const record of findInOutbox(shard, missing)) found.set(record.seq, record);
  const tasks = request.seqs.map((seq) => {
    const record = found.get(seq) ?? null;
    return whole || record === null ? record : { ...record, payload: "null", result: null };
  });
  return { v: 1, ok: true, tasks };
}

/** One task whole, as a read tells it; null where the shard does not have it. */
export function readOne(shard: Shard, seq: Seq): TaskRecord | null {
  const answer = read(shard, { v: 1, seqs: [seq] });
  return answer.ok ? (answer.tasks[0] ?? null) : null;
}

function runningOf(shard: Shard, row: TaskRow) {
  const session = row.session === null ? undefined : shard.memory.sessions.get(row.session);
  const claim = session?.claims.get(row.seq);
  return session && claim ? { claim, worker: session.worker } : undefined;
}

/** How many tasks of a batch are in which state, of those that the shard still has. */
export function countBatch(shard: Shard, request: BatchRequest): BatchAnswer {
  const counts: Record<string, number> = {};
  if (!shard.memory.hasTables) return { v: 1, ok: true, counts };
  for (const row of shard.sql.all<{ status: string; count: number }>(COUNTS, request.first, request.count))
    counts[row.status] = row.count;
  for (const [status, count] of countInOutbox(shard, request.first, request.count))
    counts[status] = (counts[status] ?? 0) + count;
  return { v: 1, ok: true, counts };
}
