import { describe, expect, test } from "vitest";
import { FOUND } from "./found.ts";
import { silence } from "./run-part.ts";
import { runSeed, simulate } from "./simulate.ts";
import { Tally } from "./tally.ts";

describe("seeds that once failed", () => {
  test.each(FOUND)("seed %i: %s", async (seed) => {
    silence();
    await simulate([seed], new Tally());
  });
});

describe("the simulation itself", () => {
  test("a seed is a run: twice the same, step for step", async () => {
    silence();
    for (const seed of [1, 2, 3, 8]) {
      const first = await runSeed(seed, new Tally());
      const second = await runSeed(seed, new Tally());
      expect(first.steps).toBeGreaterThan(100);
      expect(second.world.trace).toEqual(first.world.trace);
    }
  });

  test("a shard whose memory is wrong by one is found out, and the seed is told with its steps", async () => {
    silence();
    const spoilt = simulate([7], new Tally(), (world) => {
      const memory = world.host.shard?.memory;
      if (memory && memory.running > 0) memory.running--;
    });
    await expect(spoilt).rejects.toThrow(/seed 7 fails at step \d+: Violation: running: memory has(.|\n)*SEED=7 npx/);
  });
});
