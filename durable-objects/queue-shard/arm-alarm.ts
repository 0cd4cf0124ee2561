/** Sets the one alarm, only where it moves earlier or none is set: each setAlarm is billed as a row. */
import { nextAlarm } from "../../core/next-alarm.ts";
import { hasTooManyDead } from "./dead/dead-rows.ts";
import { deliveriesForgottenAt } from "./ended/forget-deliveries.ts";
import { CACHE_LAG_MS } from "./ended/retention.ts";
import type { FlushSink, Shard } from "./shard.ts";

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
      historyFlush: flushAt(shard, "history", memory.historyFlush.at, now),
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

function flushAt(shard: Shard, sink: FlushSink, at: number | null, now: number): number | null {
  const startedAt = shard.flushing.get(sink);
  if (startedAt === undefined) return at;
  const guard = startedAt + FLUSH_GUARD_MS;
  return guard > now ? guard : now + FLUSH_GUARD_MS;
}

function noticesAt(shard: Shard, now: number): number | null {
  const { "dead-letters": dead, run, directory } = shard.memory.notices.sinks;
  const atRun = flushAt(shard, "run", run.at, now);
  return earlier(
    earlier(flushAt(shard, "dead-letters", dead.at, now), atRun),
    flushAt(shard, "directory", directory.at, now),
  );
}

function deliveriesAt({ memory, outbound }: Shard, now: number): number | null {
  const { next } = memory.deliveries;
  let guard: number | null = null;
  for (const { since } of outbound.inFlight.values()) guard = earlier(guard, since);
  if (guard === null) return next;
  return earlier(next, guard + FLUSH_GUARD_MS > now ? guard + FLUSH_GUARD_MS : now + FLUSH_GUARD_MS);
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
