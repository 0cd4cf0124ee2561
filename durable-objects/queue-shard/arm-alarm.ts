/** Sets the one alarm, only where it moves earlier or none is set: each setAlarm is billed as a row. */
import { nextAlarm } from "../../core/next-alarm.ts";
import { hasTooManyDead } from "./dead/dead-rows.ts";
import { deliveriesForgottenAt } from "./ended/forget-deliveries.ts";
import { CACHE_LAG_MS } from "./ended/retention.ts";
import { NOTICE_SINKS, type Shard } from "./shard.ts";

/** Every reason to wake, from memory alone. */
export function armAlarm(shard: Shard, now: number): void {
  const { memory } = shard;
  if (!memory.hasTables) return;
  let nextLeaseEnd: number | null = null;
  for (const session of memory.sessions.values())
    nextLeaseEnd = Math.min(nextLeaseEnd ?? session.leaseUntil, session.leaseUntil);
  let nextTicket: number | null = null;
  let nextToken: number | null = null;
  // Only where a look could bring a ticket: one that changes nothing would be due again at once.
  if (memory.lanes.queued > 0 && !memory.settings?.paused && !shard.draining) {
    nextTicket = memory.ticketLookAt;
    nextToken = memory.limits?.nextToken(now) ?? null;
    for (const { overdueAt } of memory.tickets.values()) nextTicket = Math.min(nextTicket ?? overdueAt, overdueAt);
  }
  const next = nextAlarm(
    {
      nextDue: memory.due.next,
      nextExpiry: memory.expiryHint,
      nextDeadline: memory.running > 0 ? memory.deadlineHint : null,
      nextLeaseEnd,
      nextTicket,
      nextToken,
      historyFlush: historyAt(shard, now),
      noticeFlush: noticesAt(shard, now),
      deliveries: deliveriesAt(shard, now),
      retention: retentionAt(shard),
    },
    now,
  );
  if (next === null || (shard.alarmAt !== null && shard.alarmAt <= next)) return;
  shard.alarmAt = next;
  shard.host.setAlarm(next);
}

/** A flush or delivery under way dies with its object: somebody must wake the next one. Longer than one call takes. */
const FLUSH_GUARD_MS = 30_000;

function guardAt(since: number, now: number): number {
  const guard = since + FLUSH_GUARD_MS;
  return guard > now ? guard : now + FLUSH_GUARD_MS;
}

function historyAt({ flushingSince, memory }: Shard, now: number): number | null {
  return flushingSince === null ? memory.historyFlush.at : guardAt(flushingSince, now);
}

function noticesAt({ telling, memory }: Shard, now: number): number | null {
  let next: number | null = null;
  for (const sink of NOTICE_SINKS) {
    next = earlier(next, memory.notices.sinks[sink].at);
    for (const { since } of telling[sink].values()) next = earlier(next, guardAt(since, now));
  }
  return next;
}

function deliveriesAt({ memory, outbound }: Shard, now: number): number | null {
  let next: number | null = memory.deliveries.next;
  for (const { since } of outbound.inFlight.values()) next = earlier(next, guardAt(since, now));
  return next;
}

/** When the oldest dead letter, dedup key, delivery or kept result is to go (Unix ms); 0: there are too many dead letters now. */
export function retentionAt(shard: Shard): number | null {
  const { memory } = shard;
  if (hasTooManyDead(shard)) return 0;
  const deadAt =
    memory.dead.oldest === null || !memory.settings
      ? null
      : memory.dead.oldest + memory.settings.historyTtlSeconds * 1000;
  const { nextExpiry } = memory.cache;
  const cacheAt = nextExpiry === null ? null : nextExpiry + CACHE_LAG_MS;
  const deliveryAt = deliveriesForgottenAt(memory.deliveries);
  return earlier(earlier(deadAt, memory.dedupExpiry), earlier(cacheAt, deliveryAt));
}

function earlier(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.min(a, b);
}
