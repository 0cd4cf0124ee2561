/**
 * Fires that are no task yet. A row is written in the transaction that moved the schedule on, and goes when the shard
 * has answered, or when the fire is missed: refused until the next one was due, or past what its policy makes up for.
 * Must stay true: what got no answer may have run, and its dedup key makes another try safe, so the next one's being due
 * is no reason to give it up; one on its way is not missed before its call has ended; `fires` counts a row once.
 */
import type { QueueName, TaskId } from "../../core/ids.ts";
import { retryDelay } from "../../core/retry.ts";
import { GRACE_MS, MAX_CAUGHT_UP, type MissedPolicy } from "../../core/schedule.ts";
import { iso } from "../../core/task.ts";
import { forgetMade, noteMade } from "./fires.ts";
import { noteEvent } from "./note-event.ts";
import type { DirectoryState } from "./state.ts";

const INSERT = `INSERT INTO pending (schedule, fire_at, queue, shard, tries, try_at, until)
  VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (schedule, fire_at) DO NOTHING`;
const DUE = `SELECT schedule, fire_at AS fireAt, queue, shard, tries, until FROM pending
  WHERE try_at <= ?1 AND until > ?1 ORDER BY try_at, fire_at LIMIT ?2`;
const TRIED = "UPDATE pending SET tries = ?3, try_at = ?4 WHERE schedule = ?1 AND fire_at = ?2";
const REFUSED = `UPDATE pending SET last_refusal = ?3
  WHERE schedule = ?1 AND fire_at = ?2 AND last_refusal IS NOT ?3`;
const PAST = `SELECT p.schedule, p.fire_at AS fireAt, p.last_refusal AS lastRefusal,
    iif(s.paused = 0, s.missed, NULL) AS policy,
    (SELECT count(*) FROM pending AS newer WHERE newer.schedule = p.schedule AND newer.fire_at > p.fire_at) AS newer
  FROM pending AS p LEFT JOIN schedule AS s ON s.id = p.schedule WHERE p.until <= ?`;
const EXTEND = "UPDATE pending SET until = ?3 WHERE schedule = ?1 AND fire_at = ?2";
const END_WAITING = "UPDATE pending SET until = min(until, ?2) WHERE schedule = ?1";
const WAITING = "SELECT schedule, fire_at AS fireAt, last_refusal AS lastRefusal FROM pending WHERE schedule = ?";
const FORGET = "DELETE FROM pending WHERE schedule = ?";
const REMOVE = "DELETE FROM pending WHERE schedule = ? AND fire_at = ? RETURNING 1 AS one";
const FIRED = `UPDATE schedule SET fires = fires + 1,
    last_task_id = CASE WHEN ?2 >= coalesce(last_fire_at, 0) THEN ?3 ELSE last_task_id END,
    last_fire_at = max(?2, coalesce(last_fire_at, 0))
  WHERE id = ?1`;
const QUEUE_OF =
  "SELECT coalesce(s.queue, r.queue, 'default') AS queue FROM schedule s LEFT JOIN route r ON r.type = s.type WHERE id = ?";
const MISSED = "UPDATE schedule SET missed_count = missed_count + ? WHERE id = ?";

/** A dedup key lives 7 days from its first submission; a fire is not tried for longer than that less one. */
export const DEDUP_TTL_MS = 7 * 86_400_000;
export const TRY_FOR_MS = 6 * 86_400_000;
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
/** policy: null where the schedule is paused. newer: pending fires of the schedule that come after it. */
type PastFire = WaitingFire & { readonly policy: MissedPolicy | null; readonly newer: number };

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
  if (!remove(state, fire)) return;
  state.sql.run(FIRED, fire.schedule, fire.fireAt, task);
  noteMade(state, fire.schedule, fire.fireAt, task);
}

/** The shard refused it: it stays, unless it is past or would be refused for ever. Inside a transaction. */
export function settleRefused(state: DirectoryState, fire: PendingFire, refusal: string, isFinal: boolean): void {
  if (isFinal || fire.until <= state.ports.now()) miss(state, { ...fire, lastRefusal: refusal });
  else state.sql.run(REFUSED, fire.schedule, fire.fireAt, refusal);
}

/** No answer came, so it may have run, whatever an earlier try was told. Inside a transaction. */
export function settleUnanswered(state: DirectoryState, fire: PendingFire): void {
  state.sql.run(REFUSED, fire.schedule, fire.fireAt, null);
}

/** Gives up the fires whose time is past, or lets them have more. Inside a transaction. */
export function missPastFires(state: DirectoryState, now: number): void {
  for (const fire of state.sql.all<PastFire>(PAST, now)) {
    if (state.inFlight.has(fireKey(fire))) continue;
    const until = fire.lastRefusal === null ? untilUnanswered(fire) : now;
    if (until > now) state.sql.run(EXTEND, fire.schedule, fire.fireAt, until);
    else miss(state, fire);
  }
}

/** How long a fire that no shard has answered is tried: `all` is made up for, the others are on time for a minute. */
function untilUnanswered({ policy, newer, fireAt }: PastFire): number {
  if (policy === null) return 0;
  return policy === "all" && newer < MAX_CAUGHT_UP ? fireAt + TRY_FOR_MS : fireAt + GRACE_MS;
}

/** The schedule is paused: what waits is missed, and so is what is on its way if it is refused. Inside a transaction. */
export function endWaitingFires(state: DirectoryState, schedule: string): void {
  state.sql.run(END_WAITING, schedule, state.ports.now());
  for (const fire of state.sql.all<WaitingFire>(WAITING, schedule))
    if (!state.inFlight.has(fireKey(fire))) miss(state, fire);
}

/** The schedule is deleted. Inside a transaction. */
export function forgetFires(state: DirectoryState, schedule: string): void {
  state.sql.run(FORGET, schedule);
  forgetMade(state, schedule);
}

/** Counts fires that never were pending. Inside a transaction. */
export function countMissed(state: DirectoryState, schedule: string, count: number, why: string): void {
  state.sql.run(MISSED, count, schedule);
  const [row] = state.sql.all<{ queue: QueueName | null }>(QUEUE_OF, schedule);
  noteEvent(state, "fire-missed", `${schedule}: ${why}`, row?.queue ?? null);
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
