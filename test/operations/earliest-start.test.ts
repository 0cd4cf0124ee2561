/** What a shard says of the earliest start, against when tasks then start. */
import { expect, it } from "vitest";
import type { Seq } from "../../core/ids.ts";
import type { ClaimedTask } from "../../core/schema/session-rpc.ts";
import { explain } from "../../durable-objects/queue-shard/reads/explain.ts";
import { Random } from "../simulation/random.ts";
import { drawSettings, drawTask } from "../support/node/draw-queue.ts";
import { makeWorld, type ShardWorld } from "../support/node/shard-world.ts";
import { accept, succeeded, WorkerHand } from "../support/node/worker-hand.ts";

const STEP_MS = 50;
const STEPS = 160;

/** Unix ms; null: not known. */
function earliestOf(world: ShardWorld, seq: Seq): number | null {
  const answer = explain(world.shard, { v: 1, seq });
  if (!answer.ok || answer.explanation === null || !("reasons" in answer.explanation)) return null;
  const { earliestStart } = answer.explanation;
  return earliestStart === null ? null : earliestStart === "now" ? world.now : Date.parse(earliestStart);
}

it("276 nothing starts before the time that was told, whatever limits, turns and ages there are", () => {
  const seen = { timed: 0, atOnce: 0 };
  for (let seed = 1; seed <= 60; seed++) {
    const random = new Random(seed, "earliest");
    const world = makeWorld({ ...drawSettings(random), leaseMs: 600_000 });
    const types = { echo: 2, sleep: 1, ...(random.chance(0.8) && { fail: 1 }) };
    const worker = { name: "w", kind: "consumer", types, boot: null } as const;
    for (let i = random.between(5, 40); i > 0; i--) {
      accept(world, {
        ...drawTask(random),
        ...(random.chance(0.1) && { runAt: world.now + random.between(0, 3_000) }),
      });
      world.now += random.between(0, 50);
    }
    const opened = world.open({ worker, want: 0 });
    if (!opened.ok || opened.session === null) continue;
    world.evict();
    const told = new Map<Seq, number>();
    for (const { seq } of world.shard.sql.all<{ seq: Seq }>("SELECT seq FROM task")) {
      const at = earliestOf(world, seq);
      if (at !== null) told.set(seq, at);
    }
    const since = world.now;
    const hand = new WorkerHand(world, { worker, want: 0 });
    const held: ClaimedTask[] = [];
    for (let step = 0; step < STEPS; step++) {
      if (random.chance(0.02)) world.evict();
      const done = held.filter(() => random.chance(0.3));
      for (const task of done) held.splice(held.indexOf(task), 1);
      const { tasks } = hand.say({ outcomes: done.map((task) => succeeded(world, task)), want: 64 });
      for (const task of tasks) {
        const at = told.get(task.seq);
        if (at === undefined) continue;
        expect(at, `seed ${seed}, task ${task.seq}`).toBeLessThanOrEqual(world.now);
        if (at > since) seen.timed++;
        else if (world.now === since) seen.atOnce++;
      }
      held.push(...tasks);
      world.passTo(world.now + STEP_MS);
    }
  }
  expect(seen.timed).toBeGreaterThan(50);
  expect(seen.atOnce).toBeGreaterThan(50);
});
