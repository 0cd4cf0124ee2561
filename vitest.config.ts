/**
 * Four kinds of tests, three speeds. `node`: rules, and operations on node:sqlite, milliseconds each. `simulation`: the
 * same operations under seeded faults. `workerd`: real objects, queues and D1. `system`: the whole service over HTTP,
 * killed and started again; those of its files that measure are `measured`, one at a time and after all others.
 */
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { cloudflareTest, readD1Migrations } from "@cloudflare/vitest-plugin";
import { Response } from "miniflare";
import { defineConfig } from "vitest/config";

/** Vitest would leave a core to itself, which on two cores is half of them. */
const WORKERS = availableParallelism();
/** System tests of which the machine's speed is a part: pauses between tasks, memory, how often something starts. */
const MEASURED = "test/system/{limits,renewals}.test.ts";
const full = process.env.SLUICE_TEST_FULL === "1";
const seeds = process.env.SIMULATION_SEEDS === undefined ? null : Number(process.env.SIMULATION_SEEDS);

export default defineConfig({
  test: {
    provide: { full, seeds },
    silent: "passed-only",
    projects: [
      {
        extends: true,
        test: {
          name: "node",
          include: ["test/{core,consumers,history,operations,contract,docs,scripts}/**/*.test.ts"],
          // Wrangler alone takes seconds to load where others use the machine.
          testTimeout: 30_000,
          maxWorkers: WORKERS,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: "simulation",
          include: ["test/simulation/**/*.test.ts"],
          testTimeout: full ? 1_800_000 : 240_000,
          maxWorkers: WORKERS,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        plugins: [
          cloudflareTest({
            wrangler: { configPath: "./wrangler.toml" },
            miniflare: {
              cf: false,
              bindings: { LOG_LEVEL: process.env.LOG_LEVEL ?? "warn", DETACH: "1" },
              // A second history database, as a deployment may bind one.
              d1Databases: ["HISTORY_1"],
              // Nothing out there is reached: whoever is asked has no time.
              outboundService: () => new Response(null, { status: 503 }),
            },
          }),
        ],
        test: {
          name: "workerd",
          include: ["test/workerd/**/*.test.ts"],
          setupFiles: ["test/support/workerd/apply-migrations.ts"],
          provide: { migrations: await readD1Migrations("migrations"), costPage: readFileSync("docs/cost.md", "utf8") },
          testTimeout: 30_000,
          hookTimeout: 30_000,
          maxWorkers: WORKERS,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: "system",
          include: ["test/system/**/*.test.ts"],
          exclude: [MEASURED],
          testTimeout: 120_000,
          hookTimeout: 60_000,
          maxWorkers: WORKERS,
          sequence: { groupOrder: 2 },
        },
      },
      {
        extends: true,
        test: {
          name: "measured",
          include: [MEASURED],
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
});
