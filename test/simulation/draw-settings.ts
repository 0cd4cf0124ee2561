/** A queue as no one would set it up, so that limits are met within a hundred steps. */
import { DEFAULT_SETTINGS, type QueueSettings } from "../../core/schema/queue-settings.ts";
import type { Random } from "./random.ts";

export function drawSettings(random: Random): QueueSettings {
  return {
    ...DEFAULT_SETTINGS,
    depthLimit: random.chance(0.3) ? random.between(3, 30) : 10_000,
    concurrency: random.chance(0.3) ? random.between(1, 8) : null,
    maxSessions: random.between(1, 6),
    slots: random.between(1, 6),
    leaseMs: random.pick([5_000, 15_000, 45_000]),
    lingerMs: random.pick([0, 20, 100]),
    sessionMaxTasks: random.pick([2, 20, 10_000]),
    timeoutMs: random.between(4_500, 6_000),
    retry: {
      maxAttempts: random.between(1, 4),
      baseMs: random.pick([10, 1_000]),
      jitter: random.pick(["none", "full"]),
    },
    maxCrashes: random.between(2, 6),
    // Down to the shortest: dead letters are forgotten while the run goes on.
    historyTtlSeconds: random.pick([60, 3_600, 30 * 86_400]),
  };
}
