/** What must be true of a shard after each step that touched it. */
import { deadlineOf } from "../../core/lease.ts";
import { NOTICE_SINKS, type Shard } from "../../durable-objects/queue-shard/shard.ts";
import type { Sql } from "../../durable-objects/sql/sql.ts";
import { checkParked } from "./check-claim.ts";
import { checkMemory, readTables, type Tables } from "./check-memory.ts";
import { checkNext } from "./check-next.ts";
import type { Host } from "./host.ts";
import { must } from "./violation.ts";

/** An alarm that rings more often than this within a second of true time, and finds nothing, goes in circles. */
const MOST_RINGS = 25;
/** Whatever a shard waits for, it looks after at most so long: the longest patience with tickets, and a lease. */
const LONGEST_WAIT_MS = 310_000;

/** To look ahead is the dearest of the checks: at every fourth it took a third of a run. */
const CHECKS_A_LOOK = 12;

export class TurnCheck {
  #tables: Tables | null = null;
  #boot: string | null = null;
  #checks = 0;

  /** @param hasWritten whether the tables may have changed since the last time */
  check(host: Host, shard: Shard, sql: Sql, hasWritten: boolean, hasSteppedClock: boolean): void {
    const { boot } = shard.ports;
    if (hasWritten || boot !== this.#boot) this.#tables = null;
    this.#boot = boot;
    this.#tables ??= readTables(sql, boot);
    checkMemory(shard, this.#tables, hasSteppedClock);
    if (!host.isHurt) checkParked(shard, sql);
    if (++this.#checks % CHECKS_A_LOOK === 0) checkNext(host, shard, sql, hasSteppedClock);
    checkAlarm(host, shard, hasSteppedClock);
  }
}

function checkAlarm(host: Host, shard: Shard, hasSteppedClock: boolean): void {
  const recent = host.idleRings.at(-MOST_RINGS);
  must(
    recent === undefined || (host.idleRings.at(-1) ?? 0) - recent > 1_000,
    () => `the alarm rang ${MOST_RINGS} times within a second for nothing`,
  );
  const { memory } = shard;
  if (!memory.hasTables) return;
  const { alarm } = host.gate;
  must(shard.alarmAt === null || shard.alarmAt === alarm, () => `the alarm is ${alarm}, but known as ${shard.alarmAt}`);
  const now = shard.ports.now();
  if (memory.due.next !== null && !host.isHurt)
    must(alarm !== null && alarm <= Math.max(memory.due.next, now), () => "a task is due before the alarm rings");
  if (memory.expiryHint !== null && !host.isHurt)
    must(alarm !== null && alarm <= Math.max(memory.expiryHint, now), () => "a task expires before the alarm rings");
  const { next, pending } = memory.deliveries;
  must(pending === 0 || alarm !== null || host.isHurt, () => `no alarm is set, but there are ${pending} deliveries`);
  if (next !== null && !host.isHurt)
    must(alarm !== null && alarm <= Math.max(next, now), () => "a delivery is due before the alarm rings");
  const cancelEnd = earliestCancel(shard);
  if (cancelEnd !== null && !host.isHurt)
    must(
      alarm !== null && alarm <= Math.max(cancelEnd, now),
      () => "a cancelled task is to end before the alarm rings",
    );
  const waits = waitingOf(shard);
  if (waits === "") return;
  must(alarm !== null, () => `no alarm is set, but there are${waits}`);
  if (!hasSteppedClock)
    must(alarm - now <= LONGEST_WAIT_MS, () => `the alarm rings in ${alarm - now} ms, but there are${waits}`);
}

/** What the shard must come back to by itself. */
function waitingOf({ memory, draining, flushingSince, telling }: Shard): string {
  let waits = "";
  if (memory.sessions.size > 0) waits += " sessions";
  if (memory.lanes.queued > 0 && !memory.settings?.paused && !draining) waits += " queued tasks";
  if (memory.outbox.rows > 0 && flushingSince === null) waits += " history";
  for (const sink of NOTICE_SINKS)
    if (memory.notices.sinks[sink].count > 0 && telling[sink].size === 0) waits += ` notices for ${sink}`;
  return waits;
}

/** When the first of those that were asked to stop is to be ended (Unix ms). */
function earliestCancel({ memory }: Shard): number | null {
  let earliest: number | null = null;
  for (const { claims } of memory.sessions.values())
    for (const claim of claims.values()) {
      const at = claim.cancelAt === null ? null : deadlineOf(claim);
      if (at !== null) earliest = Math.min(earliest ?? at, at);
    }
  return earliest;
}
