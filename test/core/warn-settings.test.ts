import { describe, expect, test } from "vitest";
import { DEFAULT_SETTINGS, QueuePatchSchema, type QueueSettings } from "../../core/schema/queue-settings.ts";
import { warnOfSettings } from "../../core/warn-settings.ts";

const warned = (settings: Partial<QueueSettings>) =>
  warnOfSettings({ ...DEFAULT_SETTINGS, ...settings }, (type) => type === "echo");

describe("248 what is probably not as meant is warned of", () => {
  const autoscale = { minShards: 1, maxShards: 8, targetDepth: 10, targetWaitMs: 1_000 };

  test.each<[Partial<QueueSettings>, string, string]>([
    [{ shards: 4, concurrency: 4 }, "/shards", "1 of concurrency 4"],
    [{ shards: 4, rate: { limit: 10, periodMs: 1_000 } }, "/shards", "2 of rate 10"],
    [{ shards: 4, typeLimits: { echo: { concurrency: 9 } } }, "/shards", "2 of echo's concurrency 9"],
    [{ autoscale, concurrency: 8 }, "/autoscale/maxShards", "among 8 shards, once autoscale has brought as many"],
    [{ shards: 6, keyShards: 2, concurrency: 6 }, "/shards", "go to 2 of them"],
    [{ typeLimits: { "a/b": { concurrency: 1 } } }, "/typeLimits/a~1b", "counts for nothing yet"],
  ])("%j at %s", (settings, pointer, words) => {
    expect(warned(settings)).toEqual([{ pointer, detail: expect.stringContaining(words) }]);
  });

  test.each<[Partial<QueueSettings>]>([
    [{}],
    [{ shards: 4 }],
    [{ shards: 4, keyShards: 4, concurrency: 4 }],
    [{ shards: 2, keyLimits: { concurrency: 1 } }],
    [{ concurrency: 4, typeLimits: { echo: { concurrency: 1 } } }],
  ])("%j is as it says", (settings) => {
    expect(warned(settings)).toEqual([]);
  });

  test("181 an entry that limits nothing is refused", () => {
    for (const field of ["typeLimits", "keyLimitOverrides"])
      expect(QueuePatchSchema.safeParse({ [field]: { echo: {} } }).error?.issues[0]?.path).toEqual([field, "echo"]);
    expect(QueuePatchSchema.safeParse({ typeLimits: { echo: { concurrency: null } } }).success).toBe(true);
  });
});
