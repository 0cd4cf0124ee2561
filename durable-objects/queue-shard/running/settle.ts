/**
 * What becomes of a task when its session speaks. Fencing: an outcome counts only for the session and attempt that hold
 * the task while RUNNING; any other is dropped and told (`lost`). Tasks that succeed are one DELETE and a share of one
 * outbox row for the whole batch; the rarer ends go one by one through `leaveRunning`.
 */
import { exceedsBytes, MAX_RESULT_BYTES } from "../../../core/bytes.ts";
import type { AttemptError } from "../../../core/errors.ts";
import type { Seq } from "../../../core/ids.ts";
import type { HeldClaim } from "../../../core/lease.ts";
import { mergeRetry, retryDelay } from "../../../core/retry.ts";
import type { Outcome } from "../../../core/schema/session-rpc.ts";
import { type Attempt, NO_PAYLOAD, type TaskRecord } from "../../../core/task.ts";
import { endTasks } from "../ended/end-tasks.ts";
import type { Session } from "../memory.ts";
import type { Shard } from "../shard.ts";
import { type Keepable, keepResults } from "../submit/cache-rows.ts";
import {
  attemptsOf,
  cachePlaceOf,
  heldRows,
  logAsked,
  movesOf,
  NO_OPTIONS,
  optionsOf,
  type TaskRow,
  toldOf,
} from "../task-rows.ts";
import { dropClaim } from "./claim.ts";
import { leaveRunning } from "./leave-running.ts";

const DELETE_SUCCEEDED = `DELETE FROM task
  WHERE seq IN (SELECT value FROM json_each(?1)) AND status = 'RUNNING' AND session = ?2
  RETURNING seq, rev, type, version, priority, payload, created_at, run_at,
    iif(coalesce(options, attempts, moves, limit_key, fairness_key) IS NULL AND crashes = 0, NULL,
      json_array(options, attempts, attempts_dropped, crashes, moves, limit_key, fairness_key)) AS rest`;

/** What a task that simply ran has none of stands in one JSON text: each column read costs a fifth of a microsecond. */
type SucceededRow = readonly [
  seq: Seq,
  rev: number,
  type: string,
  version: number,
  priority: number,
  payload: string,
  createdAt: number,
  runAt: number | null,
  rest: string | null,
];
type Rest = readonly [
  options: string | null,
  attempts: string | null,
  attemptsDropped: number,
  crashes: number,
  moves: string | null,
  limitKey: string | null,
  fairnessKey: string | null,
];
const NO_REST: Rest = [null, null, 0, 0, null, null, null];

export interface Settled {
  /** Outcomes that did not count. */
  readonly lost: Seq[];
  /** Tasks that are finished now: for whoever waits for them. */
  readonly ended: TaskRecord[];
}

/** Applies a session's outcomes; inside a transaction. The caller writes the session's row. */
export function settle(shard: Shard, session: Session, outcomes: readonly Outcome[], now: number): Settled {
  const lost: Seq[] = [];
  const ended: TaskRecord[] = [];
  const succeeded = new Map<Seq, SucceededOutcome>();
  const others = new Map<Seq, Exclude<Outcome, SucceededOutcome>>();
  for (const outcome of outcomes) {
    const held = session.claims.get(outcome.seq);
    const isHeld = held?.attempt === outcome.attempt && held.turn === (outcome.turn ?? held.turn);
    if (!isHeld || succeeded.has(outcome.seq) || others.has(outcome.seq)) lost.push(outcome.seq);
    else if (outcome.kind !== "succeeded") others.set(outcome.seq, outcome);
    else if (exceedsBytes(outcome.result, MAX_RESULT_BYTES)) others.set(outcome.seq, tooLarge(outcome));
    else succeeded.set(outcome.seq, outcome);
  }
  if (succeeded.size > 0) settleSucceeded(shard, session, succeeded, ended, now);
  if (others.size > 0) settleOthers(shard, session, others, ended, now);
  return { lost, ended };
}

type SucceededOutcome = Extract<Outcome, { kind: "succeeded" }>;

function tooLarge({ kind: _, result: __, ...outcome }: SucceededOutcome): Extract<Outcome, { kind: "failed" }> {
  const message = `the result is over ${MAX_RESULT_BYTES} bytes of JSON`;
  return { ...outcome, kind: "failed", retryable: false, error: { code: "result-too-large", message, class: "Error" } };
}

function settleSucceeded(
  shard: Shard,
  session: Session,
  outcomes: ReadonlyMap<Seq, SucceededOutcome>,
  ended: TaskRecord[],
  now: number,
): void {
  const { memory, sql } = shard;
  const defaultTtl = memory.settings?.resultTtlSeconds ?? 0;
  const records: TaskRecord[] = [];
  const kept: Keepable[] = [];
  // A text out of SQL is looked up in 4 µs, and compared in none: half of what a task takes here (node:sqlite).
  let known = { type: "", version: 0 };
  let spawned: Map<Seq, string> | undefined;
  for (const row of sql.rows<SucceededRow>(DELETE_SUCCEEDED, JSON.stringify([...outcomes.keys()]), session.id)) {
    const [seq, rev, type, version, priority, payload, createdAt, runAt, rest] = row;
    const outcome = outcomes.get(seq);
    if (!outcome) continue;
    const [options, attempts, attemptsDropped, crashes, moves, limitKey, fairnessKey] =
      rest === null ? NO_REST : (JSON.parse(rest) as Rest);
    const told = toldOf({ options, limit_key: limitKey, fairness_key: fairnessKey });
    const { resultTtlSeconds = defaultTtl, keepPayload } = told.options ?? NO_OPTIONS;
    const { attempt, startedAt, endedAt, result } = outcome;
    if (outcome.spawned !== undefined) {
      spawned ??= new Map();
      spawned.set(seq, outcome.spawned);
    }
    const ran: Attempt = {
      attempt,
      startedAt,
      endedAt,
      worker: session.worker.name,
      outcome: "succeeded",
      error: null,
    };
    if (type !== known.type) known = { type, version: session.worker.types[type] ?? 0 };
    const handlerVersion = known.version > version ? known.version : undefined;
    const last = handlerVersion === undefined ? ran : { ...ran, handlerVersion };
    const held = session.cancels > 0 ? session.claims.get(seq) : undefined;
    const asked =
      held && held.cancelAt !== null
        ? logAsked({ moves, created_at: createdAt, run_at: runAt }, attempt, held.cancelAt)
        : moves;
    records.push({
      seq,
      rev: rev + 1,
      status: "SUCCEEDED",
      type,
      version,
      priority,
      payload: keepPayload === false ? NO_PAYLOAD : payload,
      ...told,
      createdAt,
      runAt,
      endedAt: now,
      attempts: attempts === null ? [last] : [...attemptsOf({ attempts }), last],
      attemptsDropped,
      crashes,
      moves: movesOf({ moves: asked }),
      result,
      resultExpiresAt: now + resultTtlSeconds * 1000,
      error: null,
      progress: null,
    });
    // Nobody is given it for longer than its own task has it.
    const cache = options === null ? undefined : cachePlaceOf({ options });
    if (cache) kept.push({ key: cache.key, ttlMs: Math.min(cache.ttlMs, resultTtlSeconds * 1000), type, seq, result });
    dropClaim(memory, session, seq, now);
  }
  if (records.length !== outcomes.size) throw new Error("a session's claims and its tasks' rows disagree");
  endTasks(shard, records, now, spawned);
  if (kept.length > 0) keepResults(shard, kept, now);
  ended.push(...records);
}

function settleOthers(
  shard: Shard,
  session: Session,
  outcomes: ReadonlyMap<Seq, Exclude<Outcome, SucceededOutcome>>,
  ended: TaskRecord[],
  now: number,
): void {
  const rows = heldRows(shard.sql, session.id, [...outcomes.keys()]);
  for (const row of rows) {
    const outcome = outcomes.get(row.seq);
    const held = session.claims.get(row.seq);
    if (!outcome || !held) continue;
    const times = { startedAt: outcome.startedAt, endedAt: outcome.endedAt };
    switch (outcome.kind) {
      case "failed":
        ended.push(...endFailedAttempt(shard, session, row, outcome, now));
        break;
      case "snoozed": {
        const attempt = { ...times, outcome: "snoozed", error: null } as const;
        const runAt = now + outcome.delayMs;
        const cause = "the handler asked for later";
        ended.push(...leaveRunning(shard, session, row, { to: "SCHEDULED", runAt, cause, attempt }, now));
        break;
      }
      case "returned":
        ended.push(...handBack(shard, session, row, held, outcome.hasBegun !== false, now));
        break;
      case "cancelled":
        ended.push(...endCancelled(shard, session, row, held, { ...times, error: outcome.error }, now));
        break;
    }
  }
}

/** A failure or a timeout spends an attempt: again after the backoff, or FAILED where none is left or it would not help. */
export function endFailedAttempt(
  shard: Shard,
  session: Session,
  row: TaskRow,
  failure: {
    readonly error: AttemptError;
    readonly retryable: boolean;
    readonly startedAt: number;
    readonly endedAt: number;
  },
  now: number,
): TaskRecord[] {
  const retry = mergeRetry(optionsOf(row).retry, shard.memory.settings?.retry);
  const spent = row.spent + 1;
  const { error, startedAt, endedAt } = failure;
  const attempt = { startedAt, endedAt, outcome: "failed", error } as const;
  if (!failure.retryable || spent >= retry.maxAttempts)
    return leaveRunning(shard, session, row, { to: "FAILED", spent, error, cause: error.code, attempt }, now);
  const runAt = now + retryDelay(retry, spent, shard.ports.random());
  return leaveRunning(shard, session, row, { to: "RETRYING", runAt, spent, error, cause: error.code, attempt }, now);
}

/** Its handler stopped because that was asked for; where it was not (the worker made it up), the task is handed back. */
function endCancelled(
  shard: Shard,
  session: Session,
  row: TaskRow,
  held: HeldClaim,
  told: Pick<Attempt, "startedAt" | "endedAt" | "error">,
  now: number,
): TaskRecord[] {
  if (held.cancelAt === null) return handBack(shard, session, row, held, true, now);
  const attempt = { ...told, outcome: "cancelled" } as const;
  return leaveRunning(shard, session, row, { to: "QUEUED", cause: "its handler stopped", attempt }, now);
}

/**
 * Back to QUEUED, no attempt spent, no suspicion; but what has begun and is to run at most once does not begin again.
 * @returns the task where it has ended by that
 */
export function handBack(
  shard: Shard,
  session: Session,
  row: TaskRow,
  held: HeldClaim,
  hasBegun: boolean,
  now: number,
): TaskRecord[] {
  const { startedAt } = held;
  if (!hasBegun || startedAt === null)
    return leaveRunning(shard, session, row, { to: "QUEUED", cause: "handed back before it began" }, now);
  const attempt = { startedAt, endedAt: now, outcome: "returned", error: null } as const;
  if (optionsOf(row).onCrash !== "fail")
    return leaveRunning(shard, session, row, { to: "QUEUED", cause: "handed back unfinished", attempt }, now);
  const message = "its worker had to stop while it ran, and it is to run at most once";
  const error: AttemptError = { code: "crashed", message, class: "WorkerStopped" };
  const failed = { ...attempt, error };
  return leaveRunning(shard, session, row, { to: "FAILED", cause: error.code, error, attempt: failed }, now);
}

/**
 * Back to QUEUED after its claim was lost: handed out next only into a free slot (`careful`). Had its worker died of it
 * before it could tell that it began, that shows then.
 */
export function giveBackLost(shard: Shard, session: Session, row: TaskRow, cause: string, now: number): TaskRecord[] {
  const mode = row.mode === "solo" ? "solo" : "careful";
  return leaveRunning(shard, session, row, { to: "QUEUED", cause, mode }, now);
}
