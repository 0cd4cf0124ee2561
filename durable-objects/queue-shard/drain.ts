/** Local shutdown: parked sessions are told to stop at once, the others with their next turn; no ticket is issued. */
import type { Answer } from "../../core/schema/rpc.ts";
import { serveParked } from "./park.ts";
import type { Shard } from "./shard.ts";

export function drain(shard: Shard): Answer<object> {
  shard.draining = true;
  serveParked(shard, shard.ports.now());
  return { v: 1, ok: true };
}
