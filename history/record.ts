/**
 * A finished task as an array: the form that a shard's outbox keeps and that json_each reads in D1. Hot (50,000 a
 * second), so: a flat array, nested lists as JSON text and null where empty. Positions are append-only: a deploy mixes versions.
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
  version: number,
  priority: number,
  payload: string,
  result: string | null,
  tags: string | null,
  createdAt: number,
  runAt: number | null,
  endedAt: number | null,
  attempts: string | null,
  attemptsDropped: number,
  crashes: number,
  moves: string | null,
  error: string | null,
  resultExpiresAt: number | null,
  expiresAt: number,
];

/** @param expiresAt Unix ms after which history forgets the task */
export function rowOfRecord(record: TaskRecord, expiresAt: number): HistoryRow {
  return [
    record.seq,
    record.rev,
    record.status,
    record.type,
    record.version,
    record.priority,
    record.payload,
    record.result,
    listText(record.tags),
    record.createdAt,
    record.runAt,
    record.endedAt,
    listText(record.attempts),
    record.attemptsDropped,
    record.crashes,
    listText(record.moves),
    record.error === null ? null : JSON.stringify(record.error),
    record.resultExpiresAt,
    expiresAt,
  ];
}

export function recordOfRow(row: HistoryRow): TaskRecord {
  const [seq, rev, status, type, version, priority, payload, result, tags, createdAt, runAt, endedAt, attempts] = row;
  const [attemptsDropped, crashes, moves, error, resultExpiresAt] = row.slice(13) as [
    number,
    number,
    string | null,
    string | null,
    number | null,
  ];
  return {
    seq,
    rev,
    status,
    type,
    version,
    priority,
    payload,
    tags: listOf<string>(tags),
    createdAt,
    runAt,
    endedAt,
    attempts: listOf<Attempt>(attempts),
    attemptsDropped,
    crashes,
    moves: listOf<MoveRecord>(moves),
    result,
    resultExpiresAt,
    error: error === null ? null : (JSON.parse(error) as AttemptError),
    progress: null,
  };
}

function listText(list: readonly unknown[]): string | null {
  return list.length === 0 ? null : JSON.stringify(list);
}

function listOf<T>(text: string | null): readonly T[] {
  return text === null ? [] : (JSON.parse(text) as T[]);
}
