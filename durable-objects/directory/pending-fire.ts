/**
 * Fires that are no task yet. A row is written in the transaction that moved the schedule on, and goes when the shard
 * has answered, or when the fire is missed: refused until the next one was due.
 * Must stay true: a fire that is on its way is not missed before its call has ended, and `fires` counts a row once.
 */
import type { QueueName, TaskId } from "../../core/ids.ts";
import { retryDelay } from "../../core/retry.ts";
import { iso } from "../../core/task.ts";
import { noteEvent } from "./note-event.ts";
import type { DirectoryState } from "./state.ts";

const INSERT = `INSERT INTO pending (schedule, fire_at, queue, shard, tries, try_at, until)
  VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (schedule, fire_at) DO NOTHING`;
const DUE = `SELECT schedule, fire_at AS fireAt, queue, shard, tries, until FROM pending
  WHERE try_at <= ?1 AND until > ?1 ORDER BY try_at, fire_at LIMIT ?2`;
const TRIED = "UPDATE pending SET tries = ?3, try_at = ?4 WHERE schedule = ?1 AND fire_at = ?2";
const REFUSED = `UPDATE pending SET last_refusal = ?3
  WHERE schedule = ?1 AND fire_at = ?2 AND last_refusal IS NOT ?3`;
const PAST = "SELECT schedule, fire_at AS fireAt, last_refusal AS lastRefusal FROM pending WHERE until <= ?";
const END_WAITING = "UPDATE pending SET until = min(until, ?2) WHERE schedule = ?1";
const FORGET = "DELETE FROM pending WHERE schedule = ?";
const REMOVE = "DELETE FROM pending WHERE schedule = ? AND fire_at = ? RETURNING 1 AS one";
const FIRED = `UPDATE schedule SET fires = fires + 1,
    last_task_id = CASE WHEN ?2 >= coalesce(last_fire_at, 0) THEN ?3 ELSE last_task_id END,
    last_fire_at = max(?2, coalesce(last_fire_at, 0))
  WHERE id = ?1`;
const MISSED = "UPDATE schedule SET missed_count = missed_count + ? WHERE id = ?";

/** Tried again after 2, 4, 8 … 60 s. */
const BACKOFF = { maxAttempts: 100, backoff: "exponential", baseMs: 2_000, capMs: 60_000, jitter: "none" } as const;

export interface PendingFire {
  readonly schedule: string;
  readonly fireAt: number;
  readonly queue: QueueName;
  readonly shard: number;
  /** This one included. */
  readonly tries: number;
  readonly until: number;
}
type FireName = Pick<PendingFire, "schedule" | "fireAt">;
type WaitingFire = FireName & { readonly lastRefusal: string | null };

export function fireKey(fire: FireName): string {
  return `sched:${fire.schedule}:${fire.fireAt}`;
}

/** Inside a transaction. `tries` 1: it is sent now. 0: the next alarm sends it. */
export function addPending(state: DirectoryState, fire: PendingFire, now: number): void {
  const tryAt = fire.tries === 0 ? now : nextTry(fire, now);
  state.sql.run(INSERT, fire.schedule, fire.fireAt, fire.queue, fire.shard, fire.tries, tryAt, fire.until);
}

/** Those to be tried now, the longest due first; none is marked yet. */
export function duePending(state: DirectoryState, now: number, limit: number): PendingFire[] {
  return state.sql.all<PendingFire>(DUE, now, limit).map((fire) => ({ ...fire, tries: fire.tries + 1 }));
}

/** Inside a transaction. */
export function markTried(state: DirectoryState, fire: PendingFire, now: number): void {
  state.sql.run(TRIED, fire.schedule, fire.fireAt, fire.tries, nextTry(fire, now));
}

function nextTry(fire: PendingFire, now: number): number {
  return now + retryDelay(BACKOFF, fire.tries, 0);
}

/** The shard has it. Counted once, however often it was told. Inside a transaction. */
export function settleFired(state: DirectoryState, fire: FireName, task: TaskId): void {
  if (remove(state, fire)) state.sql.run(FIRED, fire.schedule, fire.fireAt, task);
}

/** The shard refused it, or did not answer: it stays, unless it is past or would be refused for ever. */
export function settleRefused(state: DirectoryState, fire: PendingFire, refusal: string, isFinal: boolean): void {
  if (isFinal || fire.until <= state.ports.now()) miss(state, { ...fire, lastRefusal: refusal });
  else state.sql.run(REFUSED, fire.schedule, fire.fireAt, refusal);
}

/** Gives up the fires whose next one is due. Inside a transaction. */
export function missPastFires(state: DirectoryState, now: number): void {
  for (const fire of state.sql.all<WaitingFire>(PAST, now)) if (!state.inFlight.has(fireKey(fire))) miss(state, fire);
}

/** The schedule is paused: what waits is missed, and so is what is on its way if it is refused. Inside a transaction. */
export function endWaitingFires(state: DirectoryState, schedule: string): void {
  const now = state.ports.now();
  state.sql.run(END_WAITING, schedule, now);
  missPastFires(state, now);
}

/** The schedule is deleted. Inside a transaction. */
export function forgetFires(state: DirectoryState, schedule: string): void {
  state.sql.run(FORGET, schedule);
}

/** Counts fires that never were pending. Inside a transaction. */
export function countMissed(state: DirectoryState, schedule: string, count: number, why: string): void {
  state.sql.run(MISSED, count, schedule);
  noteEvent(state, "fire-missed", `${schedule}: ${why}`);
}

function miss(state: DirectoryState, fire: WaitingFire): void {
  if (!remove(state, fire)) return;
  const why = fire.lastRefusal ?? "no shard answered, so it may have run";
  countMissed(state, fire.schedule, 1, `the fire of ${iso(fire.fireAt)} was given up: ${why}`);
}

/** false: it was gone already. */
function remove(state: DirectoryState, fire: FireName): boolean {
  return state.sql.all(REMOVE, fire.schedule, fire.fireAt).length > 0;
}
