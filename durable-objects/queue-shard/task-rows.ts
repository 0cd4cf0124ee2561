/** A task's row, and the record that others see of it. The one place that knows both spellings. */
import { exceedsBytes, MAX_ATTEMPTS_BYTES } from "../../core/bytes.ts";
import type { AttemptError, EndCode } from "../../core/errors.ts";
import type { Seq } from "../../core/ids.ts";
import type { LaneMode } from "../../core/lanes.ts";
import type { HeldClaim } from "../../core/lease.ts";
import type { CachePlace } from "../../core/schema/cache-rpc.ts";
import type { NewTask, TaskOptions } from "../../core/schema/rpc.ts";
import type { Worker } from "../../core/schema/session-rpc.ts";
import { isFinished, type Status } from "../../core/status.ts";
import {
  ASKED_TO_STOP,
  type Attempt,
  type MoveRecord,
  NO_PAYLOAD,
  SUBMITTED,
  type TaskLinks,
  type TaskRecord,
} from "../../core/task.ts";
import { MAX_MOVES } from "../../core/timeline.ts";
import type { Sql } from "../sql/sql.ts";

export interface TaskRow {
  seq: Seq;
  status: Status;
  priority: number;
  type: string;
  version: number;
  payload: string;
  created_at: number;
  run_at: number | null;
  options: string | null;
  rev: number;
  mode: LaneMode;
  attempt: number;
  spent: number;
  crashes: number;
  solo_crashes: number;
  attempts: string | null;
  attempts_dropped: number;
  moves: string | null;
  error: string | null;
  ended_at: number | null;
  limit_key: string | null;
  fairness_key: string | null;
  session: number | null;
  expires_at: number | null;
}

export const TASK_COLUMNS = `seq, status, priority, type, version, payload, created_at, run_at, options, rev, mode,
  attempt, spent, crashes, solo_crashes, attempts, attempts_dropped, moves, error, ended_at, limit_key, fairness_key,
  session, expires_at`;

/** Without the payload, which may be a quarter of a mebibyte a row that nobody asked for. */
export const TASK_HEADS = TASK_COLUMNS.replace("payload", "'null' AS payload");

const HELD = `SELECT ${TASK_COLUMNS} FROM task
  WHERE seq IN (SELECT value FROM json_each(?1)) AND status = 'RUNNING' AND session = ?2`;

/** Those of the tasks that a session holds. */
export function heldRows(sql: Sql, session: number, seqs: readonly Seq[]): TaskRow[] {
  return seqs.length === 0 ? [] : sql.all<TaskRow>(HELD, JSON.stringify(seqs), session);
}

/** A status read is of one task: 2.7 µs, where json_each takes 7.1 (node:sqlite, in memory). */
const byOneSeq = (columns: string) => `SELECT ${columns} FROM task WHERE seq = ?`;
const bySeq = (columns: string) => `SELECT ${columns} FROM task WHERE seq IN (SELECT value FROM json_each(?))`;
const WHOLE = { one: byOneSeq(TASK_COLUMNS), many: bySeq(TASK_COLUMNS) };
const HEADS = { one: byOneSeq(TASK_HEADS), many: bySeq(TASK_HEADS) };

/** Those of the tasks that have a row, in no order that is promised; without `texts` their payload is JSON's null. */
export function rowsOf(sql: Sql, seqs: readonly Seq[], texts = true): TaskRow[] {
  const [first] = seqs;
  const { one, many } = texts ? WHOLE : HEADS;
  return first !== undefined && seqs.length === 1
    ? sql.all<TaskRow>(one, first)
    : sql.all<TaskRow>(many, JSON.stringify(seqs));
}

const WAITING = `SELECT ${TASK_COLUMNS} FROM task
  WHERE seq = ? AND status IN ('SCHEDULED', 'BLOCKED', 'QUEUED', 'RETRYING')`;

/** A task that waits; undefined where it does not, or is not here. */
export function waitingRow(sql: Sql, seq: Seq): TaskRow | undefined {
  return sql.all<TaskRow>(WAITING, seq)[0];
}

export const NO_OPTIONS: TaskOptions = {};

export function optionsOf(row: Pick<TaskRow, "options">): TaskOptions {
  return row.options === null ? NO_OPTIONS : (JSON.parse(row.options) as TaskOptions);
}

/** Options as they are written: with the place where the result is to be kept, and the key that goes with the payload. */
export function storedOptions({ options, cache, dedup }: Pick<NewTask, "options" | "cache" | "dedup">): string | null {
  const isKeyed = dedup?.ofPayload === true;
  if (!cache && !isKeyed) return options;
  return JSON.stringify({
    ...optionsOf({ options }),
    ...(cache && { cache: { key: cache.key, ttlMs: cache.ttlMs } }),
    ...(isKeyed && { payloadKey: dedup.key }),
  });
}

/** Where the result is to be kept; undefined: nowhere, as of most tasks, which are not read for it. */
export function cachePlaceOf(row: Pick<TaskRow, "options">): CachePlace | undefined {
  return row.options?.includes('"cache":') ? optionsOf(row).cache : undefined;
}

/**
 * The same task with another payload, or with its own in another version (`isSame`): its result is nobody else's. With
 * another one it is no longer what a key of its payload says, either.
 */
export function changedOptions(row: Pick<TaskRow, "options">, isSame: boolean): string | null {
  const { cache: _, ...told } = optionsOf(row);
  const isFree = told.payloadKey !== undefined && !isSame;
  const { payloadKey: __, unique: ___, debounceSeconds: ____, throttleSeconds: _____, ...free } = told;
  const options: TaskOptions = isFree ? free : told;
  return isEmpty(options) ? null : JSON.stringify(options);
}

/**
 * How a task waits where nothing has befallen it. One that is to run at most once is never handed out ahead of the slots:
 * what began there unseen, before its worker died, would begin again.
 */
export function modeFor(options: string | null): LaneMode {
  return options?.includes("onCrash") && optionsOf({ options }).onCrash === "fail" ? "careful" : "normal";
}

export function attemptsOf(row: Pick<TaskRow, "attempts">): Attempt[] {
  return row.attempts === null ? [] : (JSON.parse(row.attempts) as Attempt[]);
}

export function movesOf(row: Pick<TaskRow, "moves">): MoveRecord[] {
  return row.moves === null ? [] : (JSON.parse(row.moves) as MoveRecord[]);
}

type Told = Pick<TaskRecord, "tags" | "options" | "links">;
const NO_TAGS: readonly string[] = [];

/** What a task was told beyond its columns and what it is tied to, as its record has them. */
export function toldOf(row: Pick<TaskRow, "limit_key" | "fairness_key" | "options">): Told {
  const { limit_key: limitKey, fairness_key: fairnessKey } = row;
  if (row.options === null && limitKey === null && fairnessKey === null) return { tags: NO_TAGS };
  const { tags = NO_TAGS, replayOf, replayedBy, partOf, cache: _, payloadKey: __, ...options } = optionsOf(row);
  const links: TaskLinks = {
    ...(limitKey !== null && { limitKey }),
    ...(fairnessKey !== null && { fairnessKey }),
    ...(replayOf !== undefined && { replayOf }),
    ...(replayedBy !== undefined && { replayedBy }),
    ...(partOf !== undefined && { partOf }),
  };
  return { tags, ...(!isEmpty(links) && { links }), ...(!isEmpty(options) && { options }) };
}

function isEmpty(object: object): boolean {
  for (const _ in object) return false;
  return true;
}

const NO_CLAIM = { attempt: 0, startedAt: null, cancelAt: null };

/** @param running the claim where a session has it: its attempt is under way */
export function recordOf(row: TaskRow, running?: { readonly claim: HeldClaim; readonly worker: Worker }): TaskRecord {
  const attempts = attemptsOf(row);
  const { attempt, startedAt, cancelAt } = running?.claim ?? NO_CLAIM;
  if (running && startedAt !== null)
    attempts.push({
      attempt,
      startedAt,
      endedAt: null,
      worker: running.worker.name,
      outcome: null,
      error: null,
      ...upgradeOf(running.worker, row),
    });
  return {
    ...toldOf(row),
    ...(row.expires_at !== null && !isFinished(row.status) && { startBy: row.expires_at }),
    ...(cancelAt !== null && { cancelRequested: true as const }),
    seq: row.seq,
    rev: row.rev,
    status: row.status,
    type: row.type,
    version: row.version,
    priority: row.priority,
    payload: row.payload,
    createdAt: row.created_at,
    runAt: row.run_at,
    endedAt: row.ended_at,
    attempts,
    attemptsDropped: row.attempts_dropped,
    crashes: row.crashes,
    moves: movesOf(
      cancelAt === null ? row : { moves: logAsked(row, startedAt === null ? undefined : attempt, cancelAt) },
    ),
    result: null,
    resultExpiresAt: null,
    error: row.error === null ? null : (JSON.parse(row.error) as AttemptError),
    progress: running?.claim.progress ?? null,
  };
}

/** How a task ends whose row goes, other than by success. */
export interface Ending {
  readonly to: "CANCELLED" | "EXPIRED" | "FAILED";
  /** Absent: as the status has it. */
  readonly code?: EndCode | undefined;
  /** For the timeline, and as the error's message. */
  readonly cause: string;
  /** The attempt that ends by it. */
  readonly run?: number | undefined;
}

/** The payload as history is given it. */
export function payloadForHistory(row: TaskRow): string {
  return optionsOf(row).keepPayload === false ? NO_PAYLOAD : row.payload;
}

const ERROR_OF = {
  CANCELLED: { code: "cancelled", class: "Cancelled" },
  EXPIRED: { code: "expired", class: "Expired" },
  FAILED: { code: "parent-failed", class: "Failed" },
} as const;

/** Such a task, as history keeps it. */
export function endedRecord(row: TaskRow, { to, cause, run, code }: Ending, now: number): TaskRecord {
  const error: AttemptError = { ...ERROR_OF[to], ...(code && { code }), message: cause };
  const moves = logMove(row, moveTo(to, now, cause, { run }));
  const end = { status: to, rev: row.rev + 1, session: null, ended_at: now, moves, error: JSON.stringify(error) };
  return recordOf({ ...row, ...end, payload: payloadForHistory(row) });
}

/**
 * Adds an attempt to the log, which is kept under 64 KiB: the first and the latest stay, what lies between goes.
 * @returns the log as JSON text, and how many are left out in all
 */
export function logAttempt(row: TaskRow, attempt: Attempt): { attempts: Attempt[]; text: string; dropped: number } {
  const attempts = [...attemptsOf(row), attempt];
  let dropped = row.attempts_dropped;
  let text = JSON.stringify(attempts);
  while (attempts.length > 2 && exceedsBytes(text, MAX_ATTEMPTS_BYTES)) {
    attempts.splice(1, 1);
    dropped++;
    text = JSON.stringify(attempts);
  }
  return { attempts, text, dropped };
}

/** @param run the attempt that ends by it */
export function moveTo(
  status: Status,
  at: number,
  cause: string,
  { until = null, run }: { readonly until?: number | null | undefined; readonly run?: number | undefined },
): MoveRecord {
  if (run !== undefined) return [status, at, cause, until, run];
  return until === null ? [status, at, cause] : [status, at, cause, until];
}

/**
 * That a running task was asked to stop, `at` (Unix ms): written when it ends, as what runs has it in its claim.
 * @param run the attempt that had begun, as its worker told; undefined: none had
 */
export function logAsked(row: Moved, run: number | undefined, at: number): string {
  return logMove(row, moveTo("RUNNING", at, ASKED_TO_STOP, { run }));
}

/** What an attempt tells of its handler's version: nothing where it is the task's. */
export function upgradeOf({ types }: Worker, { type, version }: Pick<TaskRow, "type" | "version">) {
  const handlerVersion = types[type] ?? version;
  return handlerVersion > version ? { handlerVersion } : {};
}

/** Adds to the timeline, which keeps its first and its latest 63 rows. That it was put off at first is kept with the first. */
type Moved = Pick<TaskRow, "moves" | "created_at" | "run_at"> & Partial<Pick<TaskRow, "status">>;
export function logMove(row: Moved, move: MoveRecord): string {
  const { created_at: createdAt, run_at: runAt } = row;
  const moves = [...movesOf(row), move];
  if (row.moves === null && row.status === "BLOCKED") moves.unshift(["BLOCKED", createdAt, SUBMITTED]);
  else if (row.moves === null && runAt !== null && runAt > createdAt)
    moves.unshift(["SCHEDULED", createdAt, SUBMITTED, runAt]);
  if (moves.length > MAX_MOVES) moves.splice(1, moves.length - MAX_MOVES);
  return JSON.stringify(moves);
}
