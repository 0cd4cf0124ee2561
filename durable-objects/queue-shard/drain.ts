/**
 * Local shutdown: parked sessions are told to stop at once, the others with their next turn; no ticket is issued; who
 * waits for a task that does not run is told how it stands, before the connection goes. Asked again until none is open.
 */
import type { DrainAnswer } from "../../core/schema/answer.ts";
import { tellIdleWaiters } from "./reads/wait.ts";
import { sendWatchersAway } from "./reads/watch.ts";
import { serveParked } from "./running/park.ts";
import type { Shard } from "./shard.ts";

export function drain(shard: Shard): DrainAnswer {
  shard.draining = true;
  serveParked(shard, shard.ports.now());
  tellIdleWaiters(shard);
  sendWatchersAway(shard);
  let sessions = 0;
  for (const { worker } of shard.memory.sessions.values()) if (worker.kind === "consumer") sessions++;
  return { v: 1, ok: true, sessions };
}
