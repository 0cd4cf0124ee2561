/** Which tasks are equal to the result cache, and which shard has their result. */
import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { cacheUseOf, isFresh } from "../../core/cache.ts";
import { bestShard, withoutStrays } from "../../core/placement.ts";
import type { NewTask } from "../../core/schema/rpc.ts";
import type { CacheMode } from "../../core/schema/submission.ts";

const hash = async (text: string) => createHash("sha256").update(text).digest("hex").slice(0, 32);
const keyOf = async (payload: unknown, type = "t", version = 1) =>
  (await cacheUseOf({ type, payload }, version, 60, hash))?.key;

describe("292 equal tasks", () => {
  it("are those of one type, version and payload, whatever the order of its fields", async () => {
    const key = await keyOf({ a: 1, b: [2, { c: 3, d: 4 }] });
    expect(key).toMatch(/^[0-9a-f]{32}$/);
    expect(await keyOf({ b: [2, { d: 4, c: 3 }], a: 1 })).toBe(key);
    for (const other of [{ a: 1, b: [{ c: 3, d: 4 }, 2] }, { a: "1", b: [2, { c: 3, d: 4 }] }, null])
      expect(await keyOf(other)).not.toBe(key);
    expect(await keyOf({ a: 1 }, "t", 2)).not.toBe(await keyOf({ a: 1 }));
    expect(await keyOf({ a: 1 }, "u")).not.toBe(await keyOf({ a: 1 }));
  });

  it("293 bypass has no key, refresh has one and does not look", async () => {
    const use = (cache?: CacheMode) => cacheUseOf({ type: "t", payload: 1, cache }, 1, 60, hash);
    expect(await use()).toEqual({ key: await keyOf(1), ttlMs: 60_000, read: true });
    expect(await use("use")).toEqual(await use());
    expect(await use("refresh")).toEqual({ key: await keyOf(1), ttlMs: 60_000, read: false });
    expect(await use("bypass")).toBeNull();
  });

  it("have a result for as long as the type said then, and as it says now", () => {
    const entry = { key: "k", at: 1_000, expiresAt: 2_000 };
    const fresh = (now: number, ttlMs = 5_000, key = "k") => isFresh(entry, { key, ttlMs, read: true }, now);
    expect([fresh(1_999), fresh(2_000), fresh(1_500, 501), fresh(1_500, 500), fresh(1_500, 5_000, "l")]).toEqual([
      true,
      false,
      true,
      false,
      false,
    ]);
  });
});

describe("292 the shard of a result", () => {
  const settings = { shards: 4, keyShards: 8 };
  const task = (n: number) => ({
    ...{ type: "t", version: 1, priority: 5, payload: "1", runAt: null, options: null },
    cache: { key: `key ${n}`, ttlMs: 1, read: true },
  });

  it("depends on the key and keyShards alone, and of a batch on its first cached task", () => {
    const shards = new Set(Array.from({ length: 64 }, (_, n) => bestShard(settings, [task(n)])));
    expect(shards.size).toBe(8);
    const { cache: _, ...rest } = task(0);
    const plain: NewTask = rest;
    expect(bestShard(settings, [plain, task(3), task(4)])).toBe(bestShard(settings, [task(3)]));
    expect(bestShard(settings, [plain])).toBeNull();
  });

  it("a task that goes to another shard has nothing to do with the cache there", () => {
    const tasks = Array.from({ length: 20 }, (_, n) => task(n));
    const shard = bestShard(settings, tasks) ?? -1;
    const sent = withoutStrays(settings, tasks, shard);
    for (const [i, one] of sent.entries())
      expect(one.cache === undefined).toBe(bestShard(settings, tasks.slice(i, i + 1)) !== shard);
    expect(withoutStrays(settings, tasks.slice(0, 1), shard)[0]).toBe(tasks[0]);
  });
});
