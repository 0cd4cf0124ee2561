import { expect, inject, test } from "vitest";
import { runGraphs, type SeedTally } from "./run-graphs.ts";

const SEEDS = inject("full") ? 2_000 : 100;

test("308 310 315 random graphs under faults of every kind: each run ends, once, and leaves no orphan", async () => {
  const tally: SeedTally = {
    ends: { RUNNING: 0, SUCCEEDED: 0, FAILED: 0, CANCELLED: 0 },
    crashes: 0,
    nodes: 0,
    retries: 0,
    timeouts: 0,
  };
  const only = process.env.SEED === undefined ? null : Number(process.env.SEED);
  const count = inject("seeds") ?? SEEDS;
  for (let seed = only ?? 0; seed < (only === null ? count : only + 1); seed++) await runGraphs(seed, tally);
  console.log(JSON.stringify(tally));
  if (only !== null) return;
  for (const end of ["SUCCEEDED", "FAILED", "CANCELLED"] as const) expect(tally.ends[end]).toBeGreaterThan(0);
  expect(tally.timeouts).toBeGreaterThan(0);
});
