/**
 * Finished tasks on their way to history (D1). What a batch settles is one row here, cut by bytes; a task whose texts
 * are large has a row of its own, payload and result in columns, so that no escaping doubles them and a fault of one
 * is nobody else's. A row that D1 refused stays, marked, and blocks nobody.
 */
import { cutByBytes, LARGE_ROW_BYTES, MAX_BOUND_BYTES } from "../../core/bytes.ts";
import type { Seq } from "../../core/ids.ts";
import type { Status } from "../../core/status.ts";
import type { TaskRecord } from "../../core/task.ts";
import { type HistoryRow, recordOfRow, rowOfRecord } from "../../history/record.ts";
import type { Refused } from "../../history/write.ts";
import type { Shard } from "./shard.ts";

const APPEND = `INSERT INTO outbox (n, lo, hi, count, bytes, body, payload, result) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`;
const KEEP_REFUSED = `INSERT INTO outbox (n, lo, hi, count, bytes, body, refused, payload, result)
  VALUES (?1, ?2, ?2, 1, 0, ?3, ?4, ?5, ?6)`;
const FIND = "SELECT body, payload, result FROM outbox WHERE lo <= ?2 AND hi >= ?1";

/** How long finished tasks gather before they go to D1, and how many go at once without waiting. */
export const FLUSH_DELAY_MS = 100;
export const FLUSH_AT_ENTRIES = 2_000;

export interface OutboxRow {
  readonly body: string;
  readonly payload: string | null;
  readonly result: string | null;
}

/** Inside a transaction. */
export function appendHistory(shard: Shard, records: readonly TaskRecord[], now: number): void {
  const { memory } = shard;
  const small: TaskRecord[] = [];
  for (const record of records) {
    if (sizeOf(record) < LARGE_ROW_BYTES) small.push(record);
    else appendRow(shard, [{ ...record, payload: "", result: null }], record.payload, record.result);
  }
  for (const part of cutByBytes(small, sizeOf, MAX_BOUND_BYTES / 4)) appendRow(shard, part, null, null);
  const at = memory.outbox.entries >= FLUSH_AT_ENTRIES ? now : now + FLUSH_DELAY_MS;
  if (memory.historyFlush.failures === 0) memory.historyFlush.at = Math.min(memory.historyFlush.at ?? at, at);
}

/** Characters, not bytes: the cuts leave room for the difference. */
function sizeOf(record: TaskRecord): number {
  return record.payload.length + (record.result?.length ?? 0);
}

function appendRow(shard: Shard, records: readonly TaskRecord[], payload: string | null, result: string | null): void {
  const { memory, sql } = shard;
  const ttl = (memory.settings?.historyTtlSeconds ?? 0) * 1000;
  let lo = Number.POSITIVE_INFINITY;
  let hi = 0;
  const rows: HistoryRow[] = [];
  for (const record of records) {
    lo = Math.min(lo, record.seq);
    hi = Math.max(hi, record.seq);
    rows.push(rowOfRecord(record, (record.endedAt ?? 0) + ttl));
  }
  const body = JSON.stringify(rows);
  const bytes = body.length + (payload?.length ?? 0) + (result?.length ?? 0);
  sql.run(APPEND, ++memory.outbox.last, lo, hi, rows.length, bytes, body, payload, result);
  memory.outbox.rows++;
  memory.outbox.entries += rows.length;
  memory.outbox.bytes += bytes;
}

/** A task that D1 refused: kept by itself, still readable by id, never sent again. Inside a transaction. */
export function keepRefused(shard: Shard, rows: readonly OutboxRow[], refused: Refused): void {
  for (const row of rows) {
    for (const record of recordsOf(row)) {
      if (record.seq !== refused.seq) continue;
      const { payload, result } = record;
      const body = JSON.stringify([rowOfRecord({ ...record, payload: "", result: null }, 0)]);
      shard.sql.run(KEEP_REFUSED, ++shard.memory.outbox.last, record.seq, body, refused.reason, payload, result);
      console.error(JSON.stringify({ level: "error", event: "history-refused", object: shard.name, ...refused }));
      return;
    }
  }
}

/** What a row holds. */
export function recordsOf(row: OutboxRow): TaskRecord[] {
  const records = (JSON.parse(row.body) as HistoryRow[]).map(recordOfRow);
  const [only] = records;
  if (row.payload === null || !only) return records;
  return [{ ...only, payload: row.payload, result: row.result }];
}

/** Those of the tasks that are finished and not yet in history; the newest revision of each. */
export function findInOutbox(shard: Shard, seqs: readonly Seq[]): TaskRecord[] {
  if (seqs.length === 0 || shard.memory.outbox.rows === 0) return [];
  const wanted = new Set(seqs);
  const found = new Map<Seq, TaskRecord>();
  for (const row of shard.sql.all<OutboxRow>(FIND, Math.min(...seqs), Math.max(...seqs)))
    for (const record of recordsOf(row))
      if (wanted.has(record.seq) && record.rev >= (found.get(record.seq)?.rev ?? 0)) found.set(record.seq, record);
  return [...found.values()];
}

/** How many of `count` tasks from `first` on have ended and are not yet in history; FAILED ones are counted as dead letters. */
export function countInOutbox(shard: Shard, first: Seq, count: number): Map<Status, number> {
  const counts = new Map<Status, number>();
  if (shard.memory.outbox.rows === 0) return counts;
  for (const row of shard.sql.all<OutboxRow>(FIND, first, first + count - 1))
    for (const { seq, status } of recordsOf(row))
      if (seq >= first && seq < first + count && status !== "FAILED") counts.set(status, (counts.get(status) ?? 0) + 1);
  return counts;
}

const FIRST_BACKOFF_MS = 1_000;
const LAST_BACKOFF_MS = 60_000;

/** How long (ms) a sink is left alone after `failures` in a row: 1, 2, 4 … 60 s. */
export function backoffOf(failures: number): number {
  return Math.min(LAST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** Math.min(failures - 1, 10));
}
