/**
 * What a queue's settings must be to each other, beyond the bounds of each field (schema/queue-settings.ts).
 */
import { CAP_BELOW_BASE, isCapBelowBase } from "./retry.ts";
import { MIN_DEAD_BYTES, mostShards, type QueueSettings } from "./schema/queue-settings.ts";

/** `[limits] cpu_ms` of the wrangler.toml that ships; the var CPU_MS says what it is there (schema/env.ts). */
export const DEFAULT_CPU_MS = 30_000;

/** A lease at or below this would end while a worker computes: a consumer that does sends no beat for as long. */
export function tooShortLease(cpuMs: number): number {
  return cpuMs + 10_000;
}

export interface SettingFault {
  /** JSON Pointer, without its first slash. */
  readonly field: keyof QueueSettings | "retry/capMs" | "rate/limit" | `typeLimits/${string}`;
  readonly detail: string;
}

/**
 * The first rule that the settings break; null: none.
 * @param cpuMs what an invocation may compute
 */
export function findSettingFault(settings: QueueSettings, cpuMs: number): SettingFault | null {
  const { concurrency, depthLimit, leaseMs } = settings;
  const shards = mostShards(settings);
  const tooShort = tooShortLease(cpuMs);
  if (leaseMs <= tooShort) return { field: "leaseMs", detail: `must be above ${tooShort}: cpu_ms (${cpuMs}) and 10 s` };
  // Each shard, also one that autoscale may yet bring, gets a whole share of a limit, so one below the number of shards would leave some with none.
  if (depthLimit < shards) return { field: "depthLimit", detail: `must be at least ${shards}, one for each shard` };
  if (concurrency !== null && concurrency < shards)
    return { field: "concurrency", detail: `must be null or at least ${shards}, one for each shard` };
  if ((settings.rate?.limit ?? shards) < shards)
    return { field: "rate/limit", detail: `must be at least ${shards}, one for each shard` };
  for (const [type, limit] of Object.entries(settings.typeLimits)) {
    const field = `typeLimits/${type.replaceAll("~", "~0").replaceAll("/", "~1")}` as const;
    if ((limit.concurrency ?? shards) < shards)
      return { field: `${field}/concurrency`, detail: `must be null or at least ${shards}, one for each shard` };
    if ((limit.rate?.limit ?? shards) < shards)
      return { field: `${field}/rate/limit`, detail: `must be at least ${shards}, one for each shard` };
  }
  if (settings.deadLettersMax < shards)
    return { field: "deadLettersMax", detail: `must be at least ${shards}, one for each shard` };
  if (settings.deadLettersMaxBytes < shards * MIN_DEAD_BYTES)
    return {
      field: "deadLettersMaxBytes",
      detail: `must be at least ${shards * MIN_DEAD_BYTES}, 1 MiB for each shard`,
    };
  if (settings.fair !== null && settings.ageStepMs !== null)
    return { field: "ageStepMs", detail: "cannot stand beside fair: the oldest first, or each key in turn" };
  // A PATCH may bring one of them to the other, where the schema sees one alone.
  if (isCapBelowBase(settings.retry)) return { field: "retry/capMs", detail: CAP_BELOW_BASE };
  return null;
}
