/** A queue as no one would set it up, so that limits are met within a hundred steps. */
import { DEFAULT_SETTINGS, type QueueSettings } from "../../core/schema/queue-settings.ts";
import { TYPES } from "./handlers.ts";
import type { Random } from "./random.ts";

/** What a task may be limited by; none has more than these. */
export const LIMIT_KEYS = ["a", "b", "c"] as const;

export function drawSettings(random: Random): QueueSettings {
  return {
    ...DEFAULT_SETTINGS,
    depthLimit: random.chance(0.3) ? random.between(3, 30) : 10_000,
    concurrency: random.chance(0.3) ? random.between(1, 8) : null,
    ...drawLimits(random),
    ...drawOrder(random),
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
    deadLettersMax: random.chance(0.2) ? random.between(1, 4) : DEFAULT_SETTINGS.deadLettersMax,
  };
}

/** Whose turn it is: the oldest mostly. */
function drawOrder(random: Random): Pick<QueueSettings, "fair" | "ageStepMs"> {
  if (random.chance(0.3)) return { fair: { weights: { a: 2 } }, ageStepMs: null };
  return { fair: null, ageStepMs: random.chance(0.3) ? random.pick([100, 1_000, 10_000]) : null };
}

/** Limits of types and keys; a third of the queues has none. */
function drawLimits(random: Random): Pick<QueueSettings, "rate" | "typeLimits" | "keyLimits" | "keyLimitOverrides"> {
  const rate = () => ({
    limit: random.between(1, 5),
    periodMs: random.pick([100, 1_000, 10_000]),
    ...(random.chance(0.7) && { burst: random.between(1, 3) }),
  });
  const limit = () => ({
    concurrency: random.chance(0.2) ? null : random.between(1, 3),
    ...(random.chance(0.3) && { rate: rate() }),
  });
  if (random.chance(0.35)) return { rate: null, typeLimits: {}, keyLimits: {}, keyLimitOverrides: {} };
  return {
    rate: random.chance(0.2) ? rate() : null,
    typeLimits: random.chance(0.5) ? { [random.pick(TYPES)]: limit() } : {},
    keyLimits: random.chance(0.7) ? limit() : {},
    keyLimitOverrides: random.chance(0.3) ? { [random.pick(LIMIT_KEYS)]: limit() } : {},
  };
}

/** What a PATCH of the queue changes. */
export function drawPatch(random: Random): Partial<QueueSettings> {
  return random.pick<Partial<QueueSettings>>([
    { paused: true },
    { paused: false },
    { draining: true },
    { draining: false },
    { concurrency: random.between(1, 4) },
    { concurrency: null },
    drawLimits(random),
    drawOrder(random),
    { depthLimit: random.between(1, 20) },
    { depthLimit: 10_000 },
  ]);
}
