/** After retention, storage is what it was before: the shard's and D1's, pages counted. */
import { describe, expect, it } from "vitest";
import { walkRetention } from "../../history/walk-retention.ts";
import { NodeD1 } from "../support/node/d1.ts";
import { makeWorld, type ShardWorld } from "../support/node/shard-world.ts";
import { accept, failed, succeeded, WorkerHand } from "../support/node/worker-hand.ts";

const DAY_MS = 86_400_000;

/** Pages that hold something, as a Durable Object's `databaseSize` counts and D1 bills. */
const PAGES = `SELECT (SELECT page_count FROM pragma_page_count) - (SELECT freelist_count FROM pragma_freelist_count) AS pages`;

async function flush(world: ShardWorld): Promise<void> {
  world.passTo(world.now + 1_000);
  await Promise.all(world.background.splice(0));
}

/** Tasks with keys, some put off and then run, a third of them failing, all with results or errors, all in D1. */
async function run(world: ShardWorld, count: number): Promise<void> {
  for (let done = 0; done < count; done += 50) {
    const tasks = Array.from({ length: 50 }, (_, i) => ({
      payload: JSON.stringify("p".repeat(1_500)),
      limitKey: `k${i % 5}`,
      dedup: { key: `uniq:${done + i}`, ttlMs: 60_000, within: "window" as const },
      cache: { key: (done + i).toString(16).padStart(13, "0").padEnd(32, "0"), ttlMs: 60_000, read: true },
    }));
    accept(world, ...tasks);
    const hand = new WorkerHand(world);
    const outcomes = hand.tasks.map((task, i) =>
      i % 3 === 0 ? failed(world, task, false) : succeeded(world, task, JSON.stringify("r".repeat(1_500))),
    );
    hand.close(outcomes);
    await flush(world);
  }
}

describe("294 storage after retention", () => {
  it("is within 5 % of its baseline, in the shard and in D1, after 3,000 tasks", async () => {
    const d1 = new NodeD1();
    const world = makeWorld({ slots: 64, historyTtlSeconds: 3_600, resultTtlSeconds: 1_800 });
    world.history = d1;
    const sizes = () =>
      [...world.shard.sql.all<{ pages: number }>(PAGES), ...d1.rows(PAGES)].map(({ pages }) => Number(pages));
    const retain = async () => {
      world.passTo(world.now + DAY_MS);
      await flush(world);
      for (let i = 0; i < 20; i++) await walkRetention(d1, world.shard.ports);
    };
    await run(world, 50);
    await retain();
    const baseline = sizes();
    await run(world, 3_000);
    const full = sizes();
    for (const i of [0, 1]) expect(full[i]).toBeGreaterThan(10 * (baseline[i] ?? 0));
    await retain();
    const after = sizes();
    for (const i of [0, 1]) expect(after[i]).toBeLessThanOrEqual(Math.ceil((baseline[i] ?? 0) * 1.05));
    expect(d1.rows("SELECT count(*) AS n FROM history")).toEqual([{ n: 0 }]);
  });
});
