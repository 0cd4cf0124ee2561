/**
 * What every operation ends with: whoever watches is told, parked polls get new work, missing sessions are asked for, the alarm is armed. Never
 * throws: the operation stands, and its caller hears so; what is left undone is looked for again soon.
 */
import { armAlarm } from "./arm-alarm.ts";
import { tellDueNotices } from "./ended/tell-notices.ts";
import { lookForWatchers } from "./reads/watch.ts";
import { issueTickets } from "./running/issue-tickets.ts";
import { serveParked } from "./running/park.ts";
import type { Shard } from "./shard.ts";

const RETRY_MS = 1_000;

export function afterOperation(shard: Shard, now: number): void {
  try {
    if (shard.watchers.size > 0) lookForWatchers(shard, now);
    if (shard.parked.size > 0) serveParked(shard, now);
    tellDueNotices(shard, now);
    issueTickets(shard, now);
    armAlarm(shard, now);
  } catch (error) {
    shard.host.keepAlive(Promise.reject(error));
    if (shard.alarmAt !== null && shard.alarmAt <= now + RETRY_MS) return;
    shard.alarmAt = now + RETRY_MS;
    shard.host.setAlarm(shard.alarmAt);
  }
}
