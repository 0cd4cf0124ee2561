/** What every operation ends with: parked polls get new work, missing sessions are asked for, the alarm is armed. */
import { armAlarm } from "./arm-alarm.ts";
import { issueTickets } from "./issue-tickets.ts";
import { serveParked } from "./park.ts";
import type { Shard } from "./shard.ts";

export function afterOperation(shard: Shard, now: number): void {
  if (shard.parked.size > 0) serveParked(shard, now);
  issueTickets(shard, now);
  armAlarm(shard, now);
}
