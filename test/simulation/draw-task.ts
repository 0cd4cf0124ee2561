/** What a submitted task is told, at random: options, and a key of one of ten kinds. */
import type { CacheUse } from "../../core/schema/cache-rpc.ts";
import type { Dedup, TaskOptions, Within } from "../../core/schema/rpc.ts";
import type { Random } from "./random.ts";

export function drawOptions(random: Random): TaskOptions {
  return {
    ...(random.chance(0.5) && { timeoutMs: random.between(4_500, 9_000) }),
    ...(random.chance(0.3) && { maxCrashes: random.between(1, 4) }),
    ...(random.chance(0.5) && { retry: { maxAttempts: random.between(1, 4), baseMs: random.pick([0, 100, 5_000]) } }),
    ...(random.chance(0.15) && { onCrash: "fail" }),
    ...(random.chance(0.1) && { keepPayload: false }),
  };
}

/** A key is of one type and has always the same life: short for some, but longer than all tries of a submission take. */
export function drawKey(random: Random, type: string): Dedup {
  const number = random.between(0, 9);
  const key = `${type} ${number}`;
  const { within, ttlMs } = lifeOf(key);
  const onConflict = random.pick(["return", "reject", "replace"] as const);
  return { key, ttlMs, ...(within !== null && { within, onConflict }) };
}

/** How long a task has the key. */
export function lifeOf(key: string): { readonly within: Within | null; readonly ttlMs: number } {
  const number = Number(key.at(-1));
  if (number < 6) return { within: null, ttlMs: number < 3 ? 20_000 : 3_600_000 };
  return { within: (["queued", "running", "window"] as const)[number % 3] ?? null, ttlMs: 60_000 };
}

/** One of two keys a type, with always the same life, short for one of them. Some only run anew. */
export function drawCache(random: Random, type: string): CacheUse {
  const number = random.between(0, 1);
  const key = `${number}${[...type].map((letter) => letter.charCodeAt(0).toString(16)).join("")}`.padEnd(32, "0");
  return { key, ttlMs: cacheLifeOf(key), read: random.chance(0.8) };
}

/** ms. */
export function cacheLifeOf(key: string): number {
  return key.startsWith("0") ? 3_000 : 120_000;
}

/** Whether the same submission again is told of its own task, whatever that does meanwhile. */
export function isLasting({ within, onConflict }: Dedup): boolean {
  return (within === undefined || within === "window") && (onConflict ?? "return") === "return";
}
