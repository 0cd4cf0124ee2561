/**
 * A finished task as an array: the form that a shard's outbox keeps and that json_each reads in D1. Hot (50,000 a
 * second): what history searches or expires by is a position of its own, the rest is one JSON text (`detail`), because
 * each position costs D1 about half a microsecond a row. Append-only: a deploy mixes versions.
 */
import type { AttemptError } from "../core/errors.ts";
import type { Seq } from "../core/ids.ts";
import type { Status } from "../core/status.ts";
import type { Attempt, MoveRecord, TaskRecord } from "../core/task.ts";

export type HistoryRow = readonly [
  seq: Seq,
  rev: number,
  status: Status,
  type: string,
  payload: string,
  result: string | null,
  createdAt: number,
  endedAt: number,
  /** Unix ms after which history forgets the task. */
  expiresAt: number,
  resultExpiresAt: number | null,
  detail: string,
];

/** What is only read with the whole task. Absent: empty, 0 or null. */
interface Detail {
  readonly version: number;
  readonly priority: number;
  readonly tags?: readonly string[];
  readonly runAt?: number;
  readonly attempts?: readonly Attempt[];
  readonly dropped?: number;
  readonly crashes?: number;
  readonly moves?: readonly MoveRecord[];
  readonly error?: AttemptError;
}

/** @param expiresAt Unix ms after which history forgets the task */
export function rowOfRecord(record: TaskRecord, expiresAt: number): HistoryRow {
  const detail: Detail = {
    version: record.version,
    priority: record.priority,
    ...(record.tags.length > 0 && { tags: record.tags }),
    ...(record.runAt !== null && { runAt: record.runAt }),
    ...(record.attempts.length > 0 && { attempts: record.attempts }),
    ...(record.attemptsDropped > 0 && { dropped: record.attemptsDropped }),
    ...(record.crashes > 0 && { crashes: record.crashes }),
    ...(record.moves.length > 0 && { moves: record.moves }),
    ...(record.error !== null && { error: record.error }),
  };
  return [
    record.seq,
    record.rev,
    record.status,
    record.type,
    record.payload,
    record.result,
    record.createdAt,
    record.endedAt ?? record.createdAt,
    expiresAt,
    record.resultExpiresAt,
    JSON.stringify(detail),
  ];
}

export function recordOfRow(row: HistoryRow): TaskRecord {
  const [seq, rev, status, type, payload, result, createdAt, endedAt, , resultExpiresAt, text] = row;
  const detail = JSON.parse(text) as Detail;
  return {
    seq,
    rev,
    status,
    type,
    version: detail.version,
    priority: detail.priority,
    payload,
    tags: detail.tags ?? [],
    createdAt,
    runAt: detail.runAt ?? null,
    endedAt,
    attempts: detail.attempts ?? [],
    attemptsDropped: detail.dropped ?? 0,
    crashes: detail.crashes ?? 0,
    moves: detail.moves ?? [],
    result,
    resultExpiresAt,
    error: detail.error ?? null,
    progress: null,
  };
}
