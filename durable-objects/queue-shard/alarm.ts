/**
 * The one alarm: all local timed work in one synchronous transaction, the next alarm armed, and only then at most one
 * flush a sink, not awaited (an alarm that awaits D1 holds the next one back: measured). Never throws: the platform
 * forgets an alarm that failed six times.
 */
import { afterOperation } from "./after.ts";
import { queueDueTasks } from "./due.ts";
import { flushHistory } from "./flush-history.ts";
import { flushNotices } from "./notices.ts";
import { endHungAttempts, rescueLostSessions } from "./rescue.ts";
import { forgetExpired } from "./retention.ts";
import type { Shard } from "./shard.ts";
import { tellWaiters } from "./wait.ts";

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
    queueDueTasks(shard, now);
    const lost = rescueLostSessions(shard, now);
    const hung = endHungAttempts(shard, now);
    forgetExpired(shard, now);
    return [...lost, ...hung];
  });
  tellWaiters(shard, ended);
  afterOperation(shard, now);
  startFlushes(shard, now);
}

function startFlushes(shard: Shard, now: number): void {
  const { historyFlush, noticeFlush } = shard.memory;
  if (historyFlush.at !== null && historyFlush.at <= now) shard.host.keepAlive(flushHistory(shard));
  if (noticeFlush.at !== null && noticeFlush.at <= now) shard.host.keepAlive(flushNotices(shard));
}
