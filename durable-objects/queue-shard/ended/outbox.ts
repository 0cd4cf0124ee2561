/**
 * Finished tasks on their way to history (D1). What a batch settles is one row here, cut by bytes; a task whose texts
 * are large has a row of its own, payload and result in columns, so that no escaping doubles them and a fault of one
 * is nobody else's. A row that D1 refused stays, marked, and blocks nobody.
 */
import { type Seq, taskId } from "../../../core/ids.ts";
import type { Status } from "../../../core/status.ts";
import type { TaskRecord } from "../../../core/task.ts";
import { type HistoryBody, packBodies, unpackBody } from "../../../history/outbox-body.ts";
import { type HistoryRow, recordOfRow, rowOfRecord } from "../../../history/record.ts";
import type { Refused } from "../../../history/write.ts";
import type { Shard } from "../shard.ts";

const APPEND = `INSERT INTO outbox (n, lo, hi, count, bytes, refused, body, payload, result)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`;
const FIND = "SELECT n, body, payload, result FROM outbox WHERE lo <= ?2 AND hi >= ?1";
const STILL_DEAD = "SELECT seq FROM task WHERE seq IN (SELECT value FROM json_each(?)) AND status = 'FAILED'";

const TAKE_ONE = "DELETE FROM outbox WHERE n = ? RETURNING count, bytes, refused";
const TAKE_FLUSHED = "DELETE FROM outbox WHERE n >= ? AND n <= ? AND refused IS NULL RETURNING count, bytes, refused";

interface TakenRow {
  readonly count: number;
  readonly bytes: number;
  readonly refused: string | null;
}

/** How long finished tasks gather before they go to D1, and how many go at once without waiting. */
export const FLUSH_DELAY_MS = 100;
export const FLUSH_AT_ENTRIES = 2_000;

/** Inside a transaction. */
export function appendHistory(shard: Shard, records: readonly TaskRecord[], now: number): void {
  const keptMs = (shard.memory.settings?.historyTtlSeconds ?? 0) * 1000;
  sendHistory(
    shard,
    records.map((record) => rowOfRecord(record, (record.endedAt ?? now) + keptMs)),
    now,
  );
}

/** Inside a transaction. */
export function sendHistory(shard: Shard, rows: readonly HistoryRow[], now: number): void {
  const { outbox, historyFlush } = shard.memory;
  appendRows(shard, rows);
  const at = outbox.entries >= FLUSH_AT_ENTRIES ? now : now + FLUSH_DELAY_MS;
  if (historyFlush.failures === 0) historyFlush.at = Math.min(historyFlush.at ?? at, at);
}

/** Inside a transaction. */
export function appendRows(shard: Shard, rows: readonly HistoryRow[]): void {
  const { outbox } = shard.memory;
  for (const { lo, hi, count, bytes, body, payload, result } of packBodies(rows)) {
    shard.sql.run(APPEND, ++outbox.last, lo, hi, count, bytes, null, body, payload, result);
    outbox.rows++;
    outbox.entries += count;
    outbox.bytes += bytes;
  }
}

/** Nothing of the task is left in any row; what else such a row had is in one of its own. Inside a transaction. */
export function removeFromOutbox(shard: Shard, seq: Seq): void {
  for (const row of shard.sql.all<HistoryBody & { readonly n: number }>(FIND, seq, seq)) {
    const rows = unpackBody(row);
    const others = rows.filter(([other]) => other !== seq);
    if (others.length === rows.length) continue;
    uncount(shard, shard.sql.all<TakenRow>(TAKE_ONE, row.n));
    appendRows(shard, others);
  }
}

/** Deletes what D1 has taken, as far as it is still here. Inside a transaction. */
export function takeFlushed(shard: Shard, lo: number, hi: number): void {
  uncount(shard, shard.sql.all<TakenRow>(TAKE_FLUSHED, lo, hi));
}

function uncount({ memory: { outbox } }: Shard, rows: readonly TakenRow[]): void {
  for (const { count, bytes, refused } of rows) {
    if (refused !== null) {
      outbox.refused--;
      continue;
    }
    outbox.rows--;
    outbox.entries -= count;
    outbox.bytes -= bytes;
  }
}

/** A task that D1 refused: kept by itself, still readable by id, never sent again. Inside a transaction. */
export function keepRefused(shard: Shard, rows: readonly HistoryRow[], { seq, reason }: Refused): void {
  for (const { lo, hi, bytes, body, payload, result } of packBodies(rows.filter((row) => row[0] === seq)))
    shard.sql.run(APPEND, ++shard.memory.outbox.last, lo, hi, 1, bytes, reason, body, payload, result);
  shard.memory.outbox.refused++;
  shard.ports.log("error", "history-refused", {
    object: shard.name,
    taskId: taskId(shard.address, seq),
    detail: reason,
  });
}

/** Those of the tasks that are finished and not yet in history; the newest revision of each. */
export function findInOutbox(shard: Shard, seqs: readonly Seq[]): TaskRecord[] {
  if (seqs.length === 0 || isEmpty(shard)) return [];
  const wanted = new Set(seqs);
  const found = new Map<Seq, TaskRecord>();
  for (const row of shard.sql.all<HistoryBody>(FIND, Math.min(...seqs), Math.max(...seqs)))
    for (const record of unpackBody(row).map(recordOfRow))
      if (wanted.has(record.seq) && record.rev >= (found.get(record.seq)?.rev ?? 0)) found.set(record.seq, record);
  return [...found.values()];
}

function isEmpty({ memory }: Shard): boolean {
  return memory.outbox.rows + memory.outbox.refused === 0;
}

/**
 * How many of `count` tasks from `first` on have ended and are not yet in history. Those that are dead letters are
 * counted as such; one that was redriven or discarded is FAILED all the same, and may stand here twice.
 */
export function countInOutbox(shard: Shard, first: Seq, count: number): Map<Status, number> {
  const counts = new Map<Status, number>();
  if (isEmpty(shard)) return counts;
  const failed = new Set<Seq>();
  for (const row of shard.sql.all<HistoryBody>(FIND, first, first + count - 1))
    for (const [seq, , status] of unpackBody(row)) {
      if (seq < first || seq >= first + count) continue;
      if (status === "FAILED") failed.add(seq);
      else counts.set(status, (counts.get(status) ?? 0) + 1);
    }
  if (failed.size === 0) return counts;
  for (const { seq } of shard.sql.all<{ seq: Seq }>(STILL_DEAD, JSON.stringify([...failed]))) failed.delete(seq);
  if (failed.size > 0) counts.set("FAILED", failed.size);
  return counts;
}

const FIRST_BACKOFF_MS = 1_000;
const LAST_BACKOFF_MS = 60_000;

/** How long (ms) a sink is left alone after `failures` in a row: 1, 2, 4 … 60 s. */
export function backoffOf(failures: number): number {
  return Math.min(LAST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** Math.min(failures - 1, 10));
}
