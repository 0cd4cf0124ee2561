/**
 * Which tasks are equal: those of one type, version and payload, whatever the order of the payload's fields. What stands
 * here is the key of that, and for how long a result under it answers.
 */
import { KIB, MIB } from "./bytes.ts";
import { canonicalJson } from "./json.ts";
import type { CacheUse } from "./schema/cache-rpc.ts";
import type { CacheMode } from "./schema/submission.ts";

export const MAX_CACHE_TTL_S = 30 * 86_400;
/** A larger result is not kept for others. */
export const MAX_CACHED_BYTES = 256 * KIB;
/** What a shard keeps; beyond either, those that end soonest go. */
export const MAX_CACHE_ROWS = 10_000;
export const MAX_CACHE_BYTES = 64 * MIB;

/**
 * @param hash of a text, short and safe from collisions
 * @param ttlSeconds of the type, above 0
 * @returns null for a task that bypasses the cache
 */
export async function cacheUseOf(
  task: { readonly type: string; readonly payload: unknown; readonly cache?: CacheMode | undefined },
  version: number,
  ttlSeconds: number,
  hash: (text: string) => Promise<string>,
): Promise<CacheUse | null> {
  if (task.cache === "bypass") return null;
  // No type has a space in its name, so none runs over into a version or a payload.
  const key = await hash(`${task.type} ${version} ${canonicalJson(task.payload)}`);
  return { key, ttlMs: ttlSeconds * 1_000, read: task.cache !== "refresh" };
}

/** A kept result, without its text. */
export interface CacheEntry {
  readonly key: string;
  /** Unix ms of the success. */
  readonly at: number;
  /** Unix ms from which on it is forgotten. */
  readonly expiresAt: number;
}

/** Whether a kept result answers a task: of its key, and within what its type says by now. */
export function isFresh(entry: CacheEntry, use: CacheUse, now: number): boolean {
  return entry.key === use.key && entry.expiresAt > now && entry.at + use.ttlMs > now;
}
