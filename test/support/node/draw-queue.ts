/** Queues with limits, rates, turns and ages, and tasks that meet them. */
import type { QueueSettings } from "../../../core/schema/queue-settings.ts";
import type { NewTask } from "../../../core/schema/rpc.ts";
import type { Random } from "../../simulation/random.ts";

const TYPES = ["echo", "sleep", "fail"] as const;
const KEYS = ["a", "b", "c"] as const;

export function drawSettings(random: Random): Partial<QueueSettings> {
  const rate = () => ({ limit: random.between(1, 5), periodMs: 1_000, burst: random.between(1, 6) });
  const limit = () => ({
    ...(random.chance(0.5) && { concurrency: random.between(1, 6) }),
    ...(random.chance(0.5) && { rate: rate() }),
  });
  const order = random.pick(["plain", "fair", "age"] as const);
  return {
    slots: 64,
    sessionMaxTasks: 1_000,
    ...(random.chance(0.3) && { concurrency: random.between(1, 30) }),
    ...(random.chance(0.2) && { rate: rate() }),
    ...(random.chance(0.4) && { typeLimits: { [random.pick(TYPES)]: limit() } }),
    ...(random.chance(0.4) && { keyLimits: limit() }),
    ...(random.chance(0.3) && { keyLimitOverrides: { [random.pick(KEYS)]: limit() } }),
    ...(order === "fair" && { fair: random.chance(0.5) ? { weights: { a: 3, b: 0.5 } } : {} }),
    ...(order === "age" && { ageStepMs: random.pick([100, 1_000]) }),
  };
}

export function drawTask(random: Random): Partial<NewTask> {
  const type = random.pick(TYPES);
  return {
    type,
    version: type === "echo" && random.chance(0.3) ? 2 : 1,
    priority: random.between(3, 6),
    ...(random.chance(0.5) && { limitKey: random.pick(KEYS) }),
    ...(random.chance(0.5) && { fairnessKey: random.pick(KEYS) }),
    ...(random.chance(0.1) && { options: JSON.stringify({ onCrash: "fail" }) }),
  };
}
