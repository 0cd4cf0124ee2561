import { describe, expect, it } from "vitest";
import { anotherShard, hashKey, namedShard, placementKey, placeTask } from "../../core/placement.ts";

describe("placement", () => {
  // Worked out apart, in Python. Never to be changed: a key's tasks would be at two shards.
  it("123 the hash of a key is what it always was", () => {
    expect(["", "a", "ab", "schedule-1", "ü🙂"].map(hashKey)).toEqual([
      2872998923, 2448022055, 4121897818, 1588803310, 1491068425,
    ]);
  });

  it("keys spread evenly over any number of shards, alike ones too", () => {
    for (const keyShards of [2, 3, 4, 7, 64]) {
      const counts = new Array<number>(keyShards).fill(0);
      const keys = keyShards * 500;
      for (let i = 0; i < keys; i++) {
        const shard = placeTask({ shards: 1, keyShards }, `user-${i * 2}`, 0);
        counts[shard] = (counts[shard] ?? 0) + 1;
      }
      expect(Math.min(...counts)).toBeGreaterThan(500 * 0.75);
      expect(Math.max(...counts)).toBeLessThan(500 * 1.25);
    }
  });

  it("the number of shards does not move a key, nor chance", () => {
    const at = (shards: number, random: number) => placeTask({ shards, keyShards: 8 }, "k", random);
    expect(new Set([at(1, 0), at(8, 0.5), at(64, 0.99)]).size).toBe(1);
  });

  it("123 unkeyed tasks go to every shard below `shards`, and to no other", () => {
    const draws = [0, 0.2499, 0.25, 0.5, 0.75, 0.999999];
    expect(draws.map((random) => placeTask({ shards: 4, keyShards: 1 }, null, random))).toEqual([0, 0, 1, 2, 3, 3]);
  });

  it("123 another shard than the full one is any of the rest; alone there is none", () => {
    const others = [0, 0.34, 0.67, 0.999].map((random) => anotherShard({ shards: 4 }, 2, random));
    expect(others).toEqual([3, 0, 1, 1]);
    expect(anotherShard({ shards: 1 }, 0, 0.5)).toBeNull();
    // A keyed task's shard may lie above `shards`; an unkeyed one's never does.
    for (let i = 0; i < 10; i++) expect(anotherShard({ shards: 2 }, 1, i / 10)).toBe(0);
  });

  it("240 tasks of one limitKey name one shard; of several, the first that names another one is told", () => {
    const at = { shards: 1, keyShards: 8 };
    const shardOf = (limitKey: string) => hashKey(limitKey) % 8;
    const [other] = ["b", "c", "d", "e"].filter((key) => shardOf(key) !== shardOf("a"));
    if (other === undefined) throw new Error("all go to one shard");
    expect(namedShard(at, [{}, {}])).toEqual({ shard: null, astray: null });
    expect(namedShard(at, [{}, { limitKey: "a" }, { limitKey: "a" }])).toEqual({ shard: shardOf("a"), astray: null });
    expect(namedShard(at, [{ limitKey: "a" }, {}, { limitKey: other }])).toEqual({ shard: shardOf("a"), astray: 2 });
  });

  it("limitKey is before unique, Idempotency-Key, schedule and run", () => {
    const keys = { unique: "u", limitKey: "l", idempotencyKey: "i", schedule: "s", run: "r" };
    expect(placementKey(keys)).toBe("l");
    expect(placementKey({ unique: "u", idempotencyKey: "i", schedule: "s" })).toBe("u");
    expect(placementKey({ idempotencyKey: "i", schedule: "s", run: "r" })).toBe("i");
    expect(placementKey({ schedule: "s", run: "r" })).toBe("s");
    expect(placementKey({ run: "r" })).toBe("r");
    expect(placementKey({})).toBeNull();
  });
});
