/** How a shard stands, in numbers: from memory, but for the age of what waits. */
import type { Lane } from "../../../core/lanes.ts";
import { countRunnable, runnableBands } from "../../../core/pick.ts";
import type { ShardSummary } from "../../../core/schema/rpc.ts";
import { depthOf } from "../memory.ts";
import { roomLeft } from "../running/claim.ts";
import type { Shard } from "../shard.ts";

const WAITING_SINCE = `SELECT min(max(created_at, coalesce(run_at, 0))) AS since FROM task
  WHERE seq IN (SELECT value FROM json_each(?))`;

export function summarize(shard: Shard): ShardSummary {
  const { memory } = shard;
  const oldestQueuedAt = waitingSince(shard, memory.lanes.all());
  return {
    settingsVersion: memory.settings?.version ?? 0,
    depth: depthOf(memory),
    queued: memory.lanes.queued,
    scheduled: memory.due.count,
    blocked: memory.blocked,
    running: memory.running,
    deadLetters: memory.dead.count,
    sessions: memory.sessions.size,
    outboxRows: memory.outbox.rows,
    outboxBytes: memory.outbox.bytes,
    refusedRows: memory.outbox.refused,
    pendingDeliveries: memory.deliveries.pending,
    oldestQueuedAt,
    ...readyOf(shard, shard.ports.now()),
  };
}

/**
 * What waits for a worker alone: neither for a limit, the queue's own included, nor at the one shard that its limitKey
 * names. Another shard would help that much.
 */
function readyOf(shard: Shard, now: number): Pick<ShardSummary, "ready" | "oldestReadyAt"> {
  const { lanes, limits } = shard.memory;
  const room = roomLeft(shard, now);
  const bands = [false, true]
    .flatMap((solo) => runnableBands(lanes, { paused: false, knows: () => true, solo, limits, now }))
    .filter(({ isKeyed }) => !isKeyed);
  const ready = Math.min(countRunnable(bands, { limits, now }, lanes.queued), room);
  if (ready === 0) return { ready, oldestReadyAt: null };
  return {
    ready,
    oldestReadyAt: waitingSince(
      shard,
      bands.flatMap(({ open }) => [...open]),
    ),
  };
}

/** Of the tasks that are next in some lanes. Not the time in a seq, which runs ahead of the clock after an eviction. */
function waitingSince({ memory, sql }: Shard, lanes: Iterable<Lane>): number | null {
  const heads = Array.from(lanes, (lane) => memory.lanes.head(lane)).filter((head) => head !== undefined);
  if (heads.length === 0) return null;
  return sql.all<{ since: number | null }>(WAITING_SINCE, JSON.stringify(heads))[0]?.since ?? null;
}
