/**
 * What a queue's settings must be to each other, beyond the bounds of each field (schema/queue-settings.ts).
 */
import { CAP_BELOW_BASE, isCapBelowBase } from "./retry.ts";
import type { QueueSettings } from "./schema/queue-settings.ts";

/** `[limits] cpu_ms` of wrangler.toml: a consumer that computes sends no beat for as long. */
export const CPU_MS = 30_000;
/** A lease at or below this would end while a worker computes. */
export const MIN_LEASE_MS = CPU_MS + 10_000;

export interface SettingFault {
  /** JSON Pointer, without its first slash. */
  readonly field: keyof QueueSettings | "retry/capMs" | `typeLimits/${string}`;
  readonly detail: string;
}

/** The first rule that the settings break; null: none. */
export function findSettingFault(settings: QueueSettings): SettingFault | null {
  const { concurrency, depthLimit, leaseMs } = settings;
  const shards = Math.max(settings.shards, settings.keyShards, settings.autoscale?.maxShards ?? 0);
  if (leaseMs <= MIN_LEASE_MS)
    return { field: "leaseMs", detail: `must be above ${MIN_LEASE_MS}: cpu_ms (${CPU_MS}) and 10 s` };
  // Each shard, also one that autoscale may yet bring, gets a whole share of a limit, so one below the number of shards would leave some with none.
  if (depthLimit < shards) return { field: "depthLimit", detail: `must be at least ${shards}, one for each shard` };
  if (concurrency !== null && concurrency < shards)
    return { field: "concurrency", detail: `must be null or at least ${shards}, one for each shard` };
  for (const [type, limit] of Object.entries(settings.typeLimits))
    if ((limit.concurrency ?? shards) < shards) {
      const field = `typeLimits/${type.replaceAll("~", "~0").replaceAll("/", "~1")}/concurrency` as const;
      return { field, detail: `must be null or at least ${shards}, one for each shard` };
    }
  // A PATCH may bring one of them to the other, where the schema sees one alone.
  if (isCapBelowBase(settings.retry)) return { field: "retry/capMs", detail: CAP_BELOW_BASE };
  return null;
}
