/**
 * Fires whose time is past, or whose schedule is paused or changed: given up, unless they may have run and are to be
 * asked after.
 */
import { GRACE_MS, MAX_CAUGHT_UP, type MissedPolicy } from "../../../core/schedule.ts";
import type { DirectoryState } from "../state.ts";
import { fireKey, isReplaced, miss, type PendingFire, TRY_FOR_MS, type WaitingFire } from "./pending-fire.ts";

const PAST = `SELECT p.schedule, p.fire_at AS fireAt, p.queue, p.last_refusal AS lastRefusal, p.tries,
    iif(s.paused = 0, s.missed, NULL) AS policy, s.overlap IS NOT NULL AS heedsOthers,
    (SELECT count(*) FROM pending AS newer WHERE newer.schedule = p.schedule AND newer.fire_at > p.fire_at) AS newer
  FROM pending AS p LEFT JOIN schedule AS s ON s.id = p.schedule WHERE p.until <= ? AND p.waits = 0`;
const EXTEND = "UPDATE pending SET until = ?3 WHERE schedule = ?1 AND fire_at = ?2";
const END_WAITING = "UPDATE pending SET until = min(until, ?2) WHERE schedule = ?1";
const WAITING = `SELECT p.schedule, fire_at AS fireAt, p.queue, last_refusal AS lastRefusal, tries,
    tries > 0 AND last_refusal IS NULL AND s.overlap IS NOT NULL AS mayRun
  FROM pending AS p JOIN schedule AS s ON s.id = p.schedule WHERE p.schedule = ?`;
const IS_PAUSED = "SELECT 1 AS one FROM schedule WHERE id = ? AND paused = 1";

const PAUSED = "the schedule was paused";

/** policy: null where the schedule is paused. newer: pending fires of the schedule that come after it. */
type PastFire = WaitingFire & {
  readonly policy: MissedPolicy | null;
  readonly newer: number;
  /** 1: those that come after it heed whether it runs. */
  readonly heedsOthers: 0 | 1;
};

/** Gives up the fires whose time is past, or lets them have more. Inside a transaction. */
export function missPastFires(state: DirectoryState, now: number): void {
  for (const fire of state.sql.all<PastFire>(PAST, now)) {
    if (state.inFlight.has(fireKey(fire))) continue;
    const until = fire.lastRefusal === null ? untilUnanswered(fire) : now;
    if (until > now) state.sql.run(EXTEND, fire.schedule, fire.fireAt, until);
    else miss(state, fire);
  }
}

/**
 * How long a fire that no shard has answered is tried: `all` is made up for, the others are on time for a minute. Where
 * it may run and others must not run beside it, until there is an answer.
 */
function untilUnanswered({ policy, newer, fireAt, heedsOthers, tries }: PastFire): number {
  if (heedsOthers === 1 && tries > 0) return fireAt + TRY_FOR_MS;
  if (policy === null) return 0;
  const isMadeUpFor = policy === "all" && newer < MAX_CAUGHT_UP;
  return isMadeUpFor ? fireAt + TRY_FOR_MS : fireAt + GRACE_MS;
}

/**
 * The schedule is paused: what waits is missed, and so is what is on its way if it is refused. What may run, and nothing
 * may run beside, is asked after (`ask-fires.ts`). Inside a transaction.
 */
export function endWaitingFires(state: DirectoryState, schedule: string): void {
  state.sql.run(END_WAITING, schedule, state.ports.now());
  for (const fire of state.sql.all<WaitingFire & { readonly mayRun: 0 | 1 }>(WAITING, schedule))
    if (fire.mayRun === 0 && !state.inFlight.has(fireKey(fire))) miss(state, fire, PAUSED);
}

/** It was asked for, and is not there: missed, unless it is to be made by now. Inside a transaction. */
export function settleUntaken(state: DirectoryState, fire: PendingFire): void {
  const isPaused = state.sql.all(IS_PAUSED, fire.schedule).length > 0;
  if (!isPaused && !isReplaced(state, fire)) return;
  const lastRefusal = fire.lastRefusal ?? "it was not taken";
  miss(state, { ...fire, lastRefusal }, isPaused ? PAUSED : "a later one was due");
}

/** It is missed, whatever it might have become. Inside a transaction. */
export function giveUp(state: DirectoryState, fire: PendingFire, why: string): void {
  miss(state, { lastRefusal: null, ...fire, tries: fire.tries - 1 }, why);
}
