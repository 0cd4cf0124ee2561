/**
 * A finished task as an array: the form that a shard's outbox keeps and that D1 reads. Hot, 50,000 a second, and bytes
 * and positions are what it costs: measured on the local D1, 1,000 rows a statement, a row of 13 positions and 160
 * bytes takes 10 us, one of 21 positions 12 us, and one whose attempts are objects, 320 bytes, 20 us. So what history
 * searches or expires by is a position of its own, and the rest is one nested array without names, `Detail`.
 * Both are append-only: a deploy mixes versions, and rows stay for years.
 */
import type { AttemptError } from "../core/errors.ts";
import type { Seq, TaskId } from "../core/ids.ts";
import type { PartOf } from "../core/schema/workflow-rpc.ts";
import type { Status } from "../core/status.ts";
import type { Attempt, AttemptOutcome, MoveRecord, RunOptions, TaskLinks, TaskRecord } from "../core/task.ts";

/** A row without its texts. */
export type HistoryHead = readonly [
  seq: Seq,
  rev: number,
  status: Status,
  type: string,
  createdAt: number,
  endedAt: number,
  /** Unix ms after which history forgets the task. */
  expiresAt: number,
  resultExpiresAt: number | null,
  detail: Detail,
];

export type HistoryRow = readonly [
  ...HistoryHead,
  /** JSON text; "" where it stands beside the row. */
  payload: string,
  /** JSON text; null where there is none, or where it stands beside the row. */
  result: string | null,
];

/** What is only read with the whole task. Trailing positions that are empty are left out. */
export type Detail = readonly [
  version: number,
  priority: number,
  attempts: readonly AttemptEntry[],
  tags?: readonly string[] | null,
  runAt?: number | null,
  attemptsDropped?: number | null,
  crashes?: number | null,
  moves?: readonly MoveRecord[] | null,
  error?: AttemptError | null,
  replayOf?: TaskId | null,
  /** JSON text of a {@link PartOf}. */
  partOf?: string | null,
  limitKey?: string | null,
  fairnessKey?: string | null,
  replayedBy?: readonly TaskId[] | null,
  options?: RunOptions | null,
  cachedFrom?: TaskId | null,
];

/** Times in ms since the task's createdAt. What is left out: it succeeded, without error. */
type AttemptEntry = readonly [
  attempt: number,
  startedAt: number,
  endedAt: number | null,
  worker: string,
  outcome?: AttemptOutcome,
  error?: AttemptError | null,
  handlerVersion?: number,
];

/** A task in history: what it was, and until when it is kept. */
export interface HistoryRecord extends TaskRecord {
  /** Unix ms after which the task may be forgotten. */
  readonly expiresAt: number;
}

/** @param expiresAt Unix ms after which history forgets the task */
export function rowOfRecord(record: TaskRecord, expiresAt: number): HistoryRow {
  return [
    record.seq,
    record.rev,
    record.status,
    record.type,
    record.createdAt,
    record.endedAt ?? record.createdAt,
    expiresAt,
    record.resultExpiresAt,
    detailOf(record),
    record.payload,
    record.result,
  ];
}

export function recordOfRow(row: HistoryRow): HistoryRecord {
  const [seq, rev, status, type, createdAt, endedAt, expiresAt, resultExpiresAt, detail, payload, result] = row;
  const [version, priority, attempts, tags, runAt, attemptsDropped, crashes, moves, error] = detail;
  const options = detail[14];
  const links = linksOf(detail);
  return {
    seq,
    rev,
    status,
    type,
    version,
    priority,
    payload,
    tags: tags ?? [],
    createdAt,
    runAt: runAt ?? null,
    endedAt,
    attempts: attempts.map((entry) => attemptOf(entry, createdAt)),
    attemptsDropped: attemptsDropped ?? 0,
    crashes: crashes ?? 0,
    moves: moves ?? [],
    result,
    resultExpiresAt,
    error: error ?? null,
    progress: null,
    expiresAt,
    ...(links && { links }),
    ...(options && { options }),
  };
}

const NO_LINKS: TaskLinks = {};

function detailOf(record: TaskRecord): Detail {
  const { version, priority, createdAt, tags, runAt, attemptsDropped, crashes, moves, error } = record;
  const attempts = record.attempts.map((attempt) => entryOf(attempt, createdAt));
  if (record.links || record.options) {
    const {
      replayOf = null,
      limitKey = null,
      fairnessKey = null,
      replayedBy = null,
      cachedFrom,
      partOf,
    } = record.links ?? NO_LINKS;
    const links = [replayOf, partOf ? JSON.stringify(partOf) : null, limitKey, fairnessKey, replayedBy] as const;
    const options = record.options ?? null;
    const more = cachedFrom === undefined ? ([...links, options] as const) : ([...links, options, cachedFrom] as const);
    const last = options === null && cachedFrom === undefined ? links : more;
    return [version, priority, attempts, tags, runAt, attemptsDropped, crashes, moves, error, ...last];
  }
  if (crashes > 0 || attemptsDropped > 0 || moves.length > 0 || error !== null)
    return [version, priority, attempts, tags, runAt, attemptsDropped, crashes, moves, error];
  if (tags.length > 0 || runAt !== null) return [version, priority, attempts, tags, runAt];
  return [version, priority, attempts];
}

/** undefined where it is tied to nothing. */
function linksOf(detail: Detail): TaskLinks | undefined {
  const [, , , , , , , , , replayOf, partOf, limitKey, fairnessKey, replayedBy, , cachedFrom] = detail;
  if (!replayOf && !partOf && !limitKey && !fairnessKey && !replayedBy && !cachedFrom) return undefined;
  return {
    ...(limitKey && { limitKey }),
    ...(fairnessKey && { fairnessKey }),
    ...(replayOf && { replayOf }),
    ...(replayedBy && { replayedBy }),
    ...(cachedFrom && { cachedFrom }),
    ...(partOf && { partOf: JSON.parse(partOf) as PartOf }),
  };
}

function entryOf(attempt: Attempt, createdAt: number): AttemptEntry {
  const startedAt = attempt.startedAt - createdAt;
  const endedAt = attempt.endedAt === null ? null : attempt.endedAt - createdAt;
  const { worker, outcome, error, handlerVersion } = attempt;
  if (handlerVersion !== undefined)
    return [attempt.attempt, startedAt, endedAt, worker, outcome, error, handlerVersion];
  if (error !== null) return [attempt.attempt, startedAt, endedAt, worker, outcome, error];
  if (outcome !== "succeeded") return [attempt.attempt, startedAt, endedAt, worker, outcome];
  return [attempt.attempt, startedAt, endedAt, worker];
}

function attemptOf(entry: AttemptEntry, createdAt: number): Attempt {
  const [attempt, startedAt, endedAt, worker, outcome = "succeeded", error = null, handlerVersion] = entry;
  return {
    attempt,
    startedAt: createdAt + startedAt,
    endedAt: endedAt === null ? null : createdAt + endedAt,
    worker,
    outcome,
    error,
    ...(handlerVersion !== undefined && { handlerVersion }),
  };
}
