/** When a shard must wake: the one place that knows all its reasons. Pure; a shard has one alarm. */

export interface AlarmReasons {
  /** Unix ms each; null: no such reason. */
  readonly nextDue: number | null;
  /** A waiting task's time to begin is over. */
  readonly nextExpiry: number | null;
  readonly nextDeadline: number | null;
  readonly nextLeaseEnd: number | null;
  readonly nextTicket: number | null;
  /** Of a rate, that a waiting task lacks. */
  readonly nextToken: number | null;
  readonly historyFlush: number | null;
  readonly noticeFlush: number | null;
  /** A webhook delivery is due, or one under way should have been back. */
  readonly deliveries: number | null;
  readonly retention: number | null;
}

/** The earliest reason, never in the past; null: nothing to wake for. */
export function nextAlarm(reasons: AlarmReasons, now: number): number | null {
  let next: number | null = null;
  for (const at of Object.values(reasons) as (number | null)[])
    if (at !== null && (next === null || at < next)) next = at;
  return next === null ? null : Math.max(next, now);
}
