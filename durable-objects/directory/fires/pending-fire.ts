/**
 * Fires that are no task yet. A row is written in the transaction that moved the schedule on, and goes when the shard
 * has answered, or when the fire is missed: refused until the next one was due, or past what its policy makes up for.
 * Must stay true: what got no answer may have run, and its dedup key makes another try safe, so the next one's being due
 * is no reason to give it up; one on its way is not missed before its call has ended; `fires` counts a row once. What
 * waits for the end of an earlier fire is not given up while that lasts.
 */
import type { QueueName, RunId, TaskId } from "../../../core/ids.ts";
import { GRACE_MS } from "../../../core/schedule.ts";
import { iso } from "../../../core/task.ts";
import { noteEvent } from "../note-event.ts";
import type { DirectoryState } from "../state.ts";
import { forgetMade, markToCancel, newestFire, noteMade, noteNone, openFires } from "./fire-rows.ts";
import { nextTry } from "./try-again.ts";

const INSERT = `INSERT INTO pending (schedule, fire_at, queue, shard, tries, try_at, until)
  VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (schedule, fire_at) DO NOTHING`;
const DUE = `SELECT schedule, fire_at AS fireAt, queue, shard, tries, until, waits, last_refusal AS lastRefusal
  FROM pending WHERE try_at <= ?1 AND (until > ?1 OR waits = 1) ORDER BY try_at, fire_at LIMIT ?2`;
const TRIED = "UPDATE pending SET tries = ?3, try_at = ?4 WHERE schedule = ?1 AND fire_at = ?2";
const REFUSED = `UPDATE pending SET last_refusal = ?3
  WHERE schedule = ?1 AND fire_at = ?2 AND last_refusal IS NOT ?3`;
const FORGET = "DELETE FROM pending WHERE schedule = ?";
const REMOVE = "DELETE FROM pending WHERE schedule = ? AND fire_at = ? RETURNING 1 AS one";
const FIRED = `UPDATE schedule SET fires = fires + 1,
    last_task_id = CASE WHEN ?2 >= coalesce(last_fire_at, 0) THEN ?3 ELSE last_task_id END,
    last_fire_at = max(?2, coalesce(last_fire_at, 0))
  WHERE id = ?1`;
const ASKED = "UPDATE pending SET try_at = ?3 WHERE schedule = ?1 AND fire_at = ?2";
const WAIT = `UPDATE pending SET waits = 1, tries = 0, try_at = ?3, last_refusal = ?4
  WHERE schedule = ?1 AND fire_at = ?2`;
// What has waited is on time for a minute from then on, however long it waited and soon the next one is due.
const GO = `UPDATE pending SET waits = 0, tries = 0, try_at = ?3, last_refusal = NULL,
    until = max(min(coalesce((SELECT next_at FROM schedule WHERE id = ?1), ?4), ?4), iif(waits = 1, ?5, 0))
  WHERE schedule = ?1 AND fire_at = ?2`;
const IS_THERE = "SELECT 1 AS one FROM pending WHERE schedule = ? AND fire_at = ?";
const EARLIER = `SELECT count(*) AS earlier, (SELECT overlap FROM schedule WHERE id = ?1) AS overlap
  FROM pending WHERE schedule = ?1 AND fire_at < ?2 AND waits = 0`;
// What is made up for one by one is refused for each of them by itself.
const IS_OVERTAKEN = `SELECT 1 AS one FROM schedule AS s JOIN pending AS p ON p.schedule = s.id
  WHERE s.id = ?1 AND p.fire_at > ?2 AND s.overlap IS NOT NULL AND s.missed <> 'all' LIMIT 1`;
const IS_REPLACED = `SELECT 1 AS one FROM schedule WHERE id = ?1 AND overlap = 'cancel-running' AND (
  EXISTS (SELECT 1 FROM pending WHERE schedule = ?1 AND fire_at > ?2)
  OR EXISTS (SELECT 1 FROM fire WHERE schedule = ?1 AND fire_at > ?2 AND made <> ''))`;
const WAITS = "SELECT fire_at AS fireAt FROM pending WHERE schedule = ? AND waits = 1 ORDER BY fire_at";
const IS_CANCELLING = "SELECT 1 AS one FROM schedule WHERE id = ? AND overlap = 'cancel-running'";
const QUEUE_OF = `SELECT iif(is_workflow, NULL, coalesce(s.queue, r.queue, 'default')) AS queue
  FROM schedule s LEFT JOIN route r ON r.type = s.type WHERE id = ?`;
const SKIPPED = "UPDATE schedule SET skipped_count = skipped_count + ? WHERE id = ?";
const MISSED = "UPDATE schedule SET missed_count = missed_count + ? WHERE id = ?";

/** A dedup key lives 7 days from its first submission; a fire is not tried for longer than that less one. */
export const DEDUP_TTL_MS = 7 * 86_400_000;
export const TRY_FOR_MS = 6 * 86_400_000;
/** With `cancel-running`: a shard that is silent for hours would be owed an answer for each fire of these. */
const MOST_UNHEARD = 1;
/** What waits is looked after this often: its release comes by notice, which nobody sends for a queue that was deleted. */
const LOOK_AFTER_MS = 3_600_000;
/** Whoever asked how an earlier fire stands was lost with the object. */
const ASK_AGAIN_MS = 10_000;

export interface PendingFire {
  readonly schedule: string;
  readonly fireAt: number;
  readonly queue: QueueName;
  readonly shard: number;
  /** This one included. */
  readonly tries: number;
  readonly until: number;
  /** 1: for the end of an earlier one. */
  readonly waits?: 0 | 1;
  /** Of its latest try; null: none, or none was heard. */
  readonly lastRefusal?: string | null;
}
export type FireName = Pick<PendingFire, "schedule" | "fireAt">;
export type WaitingFire = FireName &
  Pick<PendingFire, "queue"> & { readonly lastRefusal: string | null; readonly tries: number };
export function fireKey(fire: FireName): string {
  return `sched:${fire.schedule}:${fire.fireAt}`;
}

/**
 * Inside a transaction. `tries` 1: it is sent now. 0: the next alarm sends it, where it need not wait.
 * @param isAsked shards are asked now how those before it stand
 */
export function addPending(state: DirectoryState, fire: PendingFire, now: number, isAsked = false): void {
  const { schedule, fireAt, queue, shard, tries, until } = fire;
  const unsent = isAsked ? now + ASK_AGAIN_MS : now;
  state.sql.run(INSERT, schedule, fireAt, queue, shard, tries, tries === 0 ? unsent : nextTry(fire.tries, now), until);
}

/** Those to be tried now, the longest due first; none is marked yet. */
export function duePending(state: DirectoryState, now: number, limit: number): PendingFire[] {
  return state.sql.all<PendingFire>(DUE, now, limit).map((fire) => ({ ...fire, tries: fire.tries + 1 }));
}

/** Inside a transaction. */
export function markTried(state: DirectoryState, fire: PendingFire, now: number): void {
  state.sql.run(TRIED, fire.schedule, fire.fireAt, fire.tries, nextTry(fire.tries, now));
}

/** Whether nothing was sent of it yet, so that it may be left out still. */
export function isUnsent(fire: PendingFire): boolean {
  return fire.tries === 1;
}

/**
 * Whether it must not go: an earlier fire of its schedule may run, or is about to. What is to be cancelled for it is in
 * the way only where more than one is waited for an answer of.
 */
export function isInTheWay(state: DirectoryState, { schedule, fireAt }: FireName): boolean {
  const [row] = state.sql.all<{ earlier: number; overlap: string | null }>(EARLIER, schedule, fireAt);
  const earlier = row?.earlier ?? 0;
  if (row?.overlap === "cancel-running") return earlier > MOST_UNHEARD;
  return earlier > 0 || openFires(state, schedule, fireAt).length > 0;
}

/** Whether a later fire is there that cancels it, so that it need not be made any more. */
export function isReplaced(state: DirectoryState, { schedule, fireAt }: FireName): boolean {
  return state.sql.all(IS_REPLACED, schedule, fireAt).length > 0;
}

/** Shards are asked how those before it stand; should that be lost, again. Inside a transaction. */
export function markAsked(state: DirectoryState, { schedule, fireAt }: FireName, now: number): void {
  state.sql.run(ASKED, schedule, fireAt, now + ASK_AGAIN_MS);
}

export function isPending(state: DirectoryState, { schedule, fireAt }: FireName): boolean {
  return state.sql.all(IS_THERE, schedule, fireAt).length > 0;
}

/** It is sent by the next alarm, and takes the place of any that waits. Inside a transaction. */
export function goOn(state: DirectoryState, fire: FireName): void {
  const now = state.ports.now();
  leaveOutWaiting(state, fire);
  state.sql.run(GO, fire.schedule, fire.fireAt, now, now + TRY_FOR_MS, now + GRACE_MS);
}

/** It waits for the earlier one's end, in the place of any that waits. Inside a transaction. */
export function waitFor(state: DirectoryState, fire: FireName): void {
  const [later] = state.sql.all<{ fireAt: number }>(WAITS, fire.schedule).filter(({ fireAt }) => fireAt > fire.fireAt);
  if (later) {
    leaveOut(state, fire, `the fire of ${iso(later.fireAt)} took its place`);
    return;
  }
  leaveOutWaiting(state, fire);
  const now = state.ports.now();
  state.sql.run(WAIT, fire.schedule, fire.fireAt, now + LOOK_AFTER_MS, "waits for an earlier fire's end");
}

/** Something of the schedule has ended: what waits goes, if nothing else is in its way. Inside a transaction. */
export function releaseWaiting(state: DirectoryState, schedule: string): void {
  const [first] = state.sql.all<{ fireAt: number }>(WAITS, schedule);
  if (first && !isInTheWay(state, { schedule, fireAt: first.fireAt })) goOn(state, { schedule, ...first });
}

/** Its overlap policy is another: what waits is decided anew. Inside a transaction. */
export function decideAnew(state: DirectoryState, schedule: string): void {
  for (const { fireAt } of state.sql.all<{ fireAt: number }>(WAITS, schedule)) goOn(state, { schedule, fireAt });
}

function leaveOutWaiting(state: DirectoryState, { schedule, fireAt }: FireName): void {
  for (const older of state.sql.all<{ fireAt: number }>(WAITS, schedule))
    if (older.fireAt < fireAt)
      leaveOut(state, { schedule, fireAt: older.fireAt }, `the fire of ${iso(fireAt)} took its place`);
}

/** For one that has not ended. Inside a transaction. */
export function leaveOut(state: DirectoryState, fire: FireName, reason: string): void {
  if (remove(state, fire)) countSkipped(state, fire, 1, reason);
}

/** Fires that never were pending; `fire` is the oldest of them. Inside a transaction. */
export function countSkipped(state: DirectoryState, fire: FireName, count: number, reason: string): void {
  state.sql.run(SKIPPED, count, fire.schedule);
  noteNone(state, fire.schedule, fire.fireAt, { status: "SKIPPED", count, reason });
}

/**
 * Its task is there, or its run. Counted once, however often it was told. Only now is what ran before it cancelled, where
 * it is to be: had it been refused, that would go on. Inside a transaction.
 */
export function settleFired(state: DirectoryState, fire: FireName, made: TaskId | RunId): void {
  const { schedule, fireAt } = fire;
  if (!remove(state, fire)) return;
  state.sql.run(FIRED, schedule, fireAt, made);
  noteMade(state, schedule, fireAt, made);
  if (state.sql.all(IS_CANCELLING, schedule).length === 0) return;
  // It may be heard of after a later one that has begun.
  markToCancel(state, schedule, newestFire(state, schedule) ?? fireAt);
  releaseWaiting(state, schedule);
}

/** It was given up, and yet its shard had taken it. Inside a transaction. */
export function settleMissed(state: DirectoryState, { schedule, fireAt }: FireName, made: TaskId | RunId): void {
  state.sql.run(MISSED, -1, schedule);
  state.sql.run(FIRED, schedule, fireAt, made);
}

/** The shard refused it: it stays, unless it is past or would be refused for ever. Inside a transaction. */
export function settleRefused(state: DirectoryState, fire: PendingFire, refusal: string, isFinal: boolean): void {
  // So it does not run, and was tried for so long only because it might.
  const isOvertaken = state.sql.all(IS_OVERTAKEN, fire.schedule, fire.fireAt).length > 0;
  if (isFinal || isOvertaken || isReplaced(state, fire) || fire.until <= state.ports.now())
    miss(state, { ...fire, lastRefusal: refusal });
  else state.sql.run(REFUSED, fire.schedule, fire.fireAt, refusal);
}

/** No answer came, so it may have run, whatever an earlier try was told. Inside a transaction. */
export function settleUnanswered(state: DirectoryState, fire: PendingFire): void {
  state.sql.run(REFUSED, fire.schedule, fire.fireAt, null);
}

/** The schedule is deleted. Inside a transaction. */
export function forgetFires(state: DirectoryState, schedule: string): void {
  state.sql.run(FORGET, schedule);
  forgetMade(state, schedule);
}

/** Counts fires that never were pending; `fire` is the oldest of them. Inside a transaction. */
export function countMissed(state: DirectoryState, fire: FireName, count: number, why: string): void {
  const { schedule, fireAt } = fire;
  state.sql.run(MISSED, count, schedule);
  noteNone(state, schedule, fireAt, { status: "MISSED", count, reason: why });
  tellMissed(state, schedule, why);
}

function tellMissed(state: DirectoryState, schedule: string, why: string): void {
  noteEvent(state, "fire-missed", `${schedule}: ${why}`, queueOf(state, schedule));
}

/** Where its tasks go; null: it makes runs. */
export function queueOf(state: DirectoryState, schedule: string): QueueName | null {
  return state.sql.all<{ queue: QueueName | null }>(QUEUE_OF, schedule)[0]?.queue ?? null;
}

/** For one that is pending: it is given up. Inside a transaction. */
export function miss(state: DirectoryState, fire: WaitingFire, cause?: string): void {
  if (!remove(state, fire)) return;
  const { schedule, fireAt, queue, lastRefusal, tries } = fire;
  const who = queue === "" ? "" : ` (queue ${queue})`;
  const silent = tries === 0 ? "it was not sent in time" : `no answer came${who}, so it may have run`;
  const last = lastRefusal ?? silent;
  const reason = cause === undefined ? last : `${cause} (${last})`;
  state.sql.run(MISSED, 1, schedule);
  noteNone(state, schedule, fireAt, { status: "MISSED", count: 1, reason });
  tellMissed(state, schedule, `the fire of ${iso(fireAt)} was given up: ${reason}`);
  releaseWaiting(state, schedule);
}

/** false: it was gone already. */
function remove(state: DirectoryState, fire: FireName): boolean {
  return state.sql.all(REMOVE, fire.schedule, fire.fireAt).length > 0;
}
