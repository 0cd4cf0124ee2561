/**
 * The one alarm: all local timed work in one synchronous transaction, the next alarm armed, and only then at most one
 * flush a sink and a few deliveries, not awaited (an alarm that awaits D1 holds the next one back: measured). Never
 * throws: the platform forgets an alarm that failed six times.
 */
import { afterOperation } from "./after.ts";
import { flushHistory } from "./ended/flush-history.ts";
import { forgetExpired } from "./ended/retention.ts";
import { sendDelivery, takeDueDeliveries } from "./ended/send-deliveries.ts";
import { tellWaiters } from "./reads/wait.ts";
import { endHungAttempts, rescueLostSessions } from "./running/rescue.ts";
import type { Shard } from "./shard.ts";
import { queueDueTasks } from "./waiting/due.ts";
import { expireTasks } from "./waiting/expire.ts";

/** The platform's call. */
export function onAlarm(shard: Shard): void {
  shard.alarmAt = null;
  doDueWork(shard);
}

/** Whatever the clock has made due; also at an object's start and at each call that finds the alarm late. */
export function doDueWork(shard: Shard): void {
  const now = shard.ports.now();
  if (!shard.memory.hasTables) return;
  const ended = shard.transact(() => {
    const expired = expireTasks(shard, now);
    queueDueTasks(shard, now);
    const lost = rescueLostSessions(shard, now);
    const hung = endHungAttempts(shard, now);
    forgetExpired(shard, now);
    return [...expired, ...lost, ...hung];
  });
  tellWaiters(shard, ended);
  const isFlushDue = takeDueHistory(shard, now);
  shard.outbound.sentInARow = 0;
  const deliveries = takeDueDeliveries(shard, now);
  afterOperation(shard, now);
  if (isFlushDue) shard.host.keepAlive(flushHistory(shard));
  for (const one of deliveries) shard.host.keepAlive(sendDelivery(shard, one));
}

/** Whether it is to start now; marked as under way, so that the alarm is not armed for it again. */
function takeDueHistory(shard: Shard, now: number): boolean {
  const { at } = shard.memory.historyFlush;
  if (at === null || at > now || shard.flushingSince !== null) return false;
  shard.flushingSince = now;
  return true;
}
