/** Limits of types and keys at a shard: what it hands out, whom it asks for, and what that costs. */
import { describe, expect, it } from "vitest";
import type { QueueSettings } from "../../core/schema/queue-settings.ts";
import { configure } from "../../durable-objects/queue-shard/configure.ts";
import { countSql } from "../support/node/count-sql.ts";
import { makeWorld, type ShardWorld } from "../support/node/shard-world.ts";
import { accept, failed, many, nth, succeeded, taskAt, WorkerHand } from "../support/node/worker-hand.ts";

function change(world: ShardWorld, patch: Partial<QueueSettings>): void {
  const { settings } = world.shard.memory;
  if (!settings) throw new Error("no settings");
  configure(world.shard, { v: 1, settings: { ...settings, ...patch, version: settings.version + 1 } });
}

const keysOf = (world: ShardWorld, hand: WorkerHand) =>
  hand.tasks.map(
    ({ seq }) => world.shard.sql.all<{ key: string }>("SELECT limit_key AS key FROM task WHERE seq = ?", seq)[0]?.key,
  );
const ONE_EACH = { keyLimits: { concurrency: 1 } };

describe("237 concurrency", () => {
  it("of a type: no more of it run, others pass it", () => {
    const world = makeWorld({ slots: 8, typeLimits: { echo: { concurrency: 2 } } });
    accept(world, ...many(5, { priority: 9 }), ...many(3, { type: "sleep" }));
    expect(new WorkerHand(world).tasks.map(({ type }) => type)).toEqual(["echo", "echo", "sleep", "sleep", "sleep"]);
  });

  it("of a key: over all sessions, types and priorities; one without a key has no limit", () => {
    const world = makeWorld({ slots: 8, ...ONE_EACH, keyLimitOverrides: { vip: { concurrency: 2 } } });
    accept(
      world,
      { limitKey: "a" },
      { limitKey: "a", type: "sleep", priority: 9 },
      { limitKey: "vip" },
      {},
      {},
      { limitKey: "vip" },
      { limitKey: "vip" },
      { limitKey: "b" },
    );
    const hand = new WorkerHand(world);
    expect(keysOf(world, hand)).toEqual(["a", "vip", null, null, "vip", "b"]);
    expect(world.open()).toMatchObject({ session: null });
    const [first] = hand.tasks;
    if (!first) throw new Error("nothing was handed out");
    expect(hand.say({ outcomes: [succeeded(world, first)], want: 8 }).tasks).toHaveLength(1);
  });

  it("of a key that is named apart: what is said of it goes before, field by field", () => {
    const rate = { limit: 1, periodMs: 60_000, burst: 3 };
    const keyLimits = { concurrency: 2, rate: { ...rate, burst: 1 } };
    const world = makeWorld({ slots: 9, keyLimits, keyLimitOverrides: { more: { rate }, apart: { concurrency: 3 } } });
    accept(world, ...["other", "more", "apart"].flatMap((limitKey) => many(4, { limitKey })));
    // Of "more" the concurrency of each key lets two, of "apart" the rate of each key one.
    expect(keysOf(world, new WorkerHand(world))).toEqual(["other", "more", "more", "apart"]);
  });

  it("is kept over the loss of memory, a failure and the end of a lease", () => {
    const world = makeWorld({ slots: 8, ...ONE_EACH, retry: { baseMs: 1_000 } });
    const seqs = accept(world, ...many(3, { limitKey: "a" }));
    const hand = new WorkerHand(world);
    world.evict();
    expect(hand.say({ want: 8 }).tasks).toEqual([]);
    expect(world.open()).toMatchObject({ session: null });
    const outcomes = hand.tasks.map((task) => failed(world, task));
    expect(hand.say({ outcomes, want: 8 }).tasks).toMatchObject([{ seq: seqs[1] }]);
    world.passTo(world.now + 50_000);
    expect(taskAt(world, nth(seqs, 1))).toMatchObject({ crashes: 1 });
    expect(new WorkerHand(world).tasks).toMatchObject([{ seq: seqs[0] }]);
  });

  it("neighbours of one submission that differ in their keys alone are told apart", () => {
    const world = makeWorld({ slots: 8, ...ONE_EACH });
    const seqs = accept(
      world,
      { limitKey: "a" },
      { limitKey: "b" },
      { limitKey: "b" },
      { limitKey: "a" },
      { fairnessKey: "a" },
    );
    expect(new WorkerHand(world).tasks.map(({ seq }) => seq)).toEqual([seqs[0], seqs[1], seqs[4]]);
  });
});

describe("238 what is at a limit", () => {
  it("is handed to a parked session in the turn that frees its key", () => {
    const world = makeWorld({ slots: 1, ...ONE_EACH });
    const seqs = accept(world, ...many(2, { limitKey: "a" }), {});
    const first = new WorkerHand(world);
    const second = new WorkerHand(world);
    second.ask({ outcomes: second.tasks.map((task) => succeeded(world, task)), want: 1, waitMs: 15_000 });
    first.close(first.tasks.map((task) => succeeded(world, task)));
    expect(world.late).toMatchObject([{ handout: { tasks: [{ seq: seqs[1] }] } }]);
  });

  it("asks for nobody, also not now and then; and for a worker when its key is free again", () => {
    const world = makeWorld({ slots: 2, ...ONE_EACH });
    accept(world, ...many(50, { limitKey: "a" }));
    expect(world.tickets).toHaveLength(1);
    const hand = new WorkerHand(world, { ticket: nth(world.tickets, 0).ticket.ticket });
    world.passTo(world.now + 40_000);
    expect(world.tickets).toHaveLength(1);
    expect(world.alarms.length).toBeLessThan(5);
    hand.close(hand.tasks.map((task) => succeeded(world, task)));
    expect(world.tickets).toHaveLength(2);
  });

  it("asks for as many sessions as may run: one slot of each key, a type's room", () => {
    const keyed = makeWorld({ slots: 1, ...ONE_EACH });
    accept(keyed, ...many(20, { limitKey: "a" }), ...many(20, { limitKey: "b" }));
    expect(keyed.tickets).toHaveLength(2);
    const typed = makeWorld({ slots: 1, typeLimits: { echo: { concurrency: 2 } } });
    accept(typed, ...many(20, {}), { priority: 9 }, { type: "sleep" });
    expect(typed.tickets).toHaveLength(3);
  });

  it("costs a claim nothing: beside 100,000 tasks of a full key it asks as much of SQL as beside none", () => {
    const costOf = (waiting: number) => {
      const world = makeWorld({ slots: 2, depthLimit: 200_000, ...ONE_EACH });
      accept(world, { limitKey: "a" });
      const hand = new WorkerHand(world);
      for (let i = 0; i < waiting; i += 10_000) accept(world, ...many(10_000, { limitKey: "a", priority: 9 }));
      accept(world, ...many(4));
      const counts = countSql(world.shard.sql);
      expect(hand.say({ want: 1 }).tasks).toHaveLength(1);
      return counts;
    };
    expect(costOf(100_000)).toEqual(costOf(0));
  });
});

describe("239 a changed limit", () => {
  it("counts for what waits with the push that brings it: raised, lowered, lifted", () => {
    const world = makeWorld({ slots: 4, ...ONE_EACH });
    accept(world, ...many(10, { limitKey: "a" }));
    const hand = new WorkerHand(world);
    expect(hand.tasks).toHaveLength(1);
    hand.ask({ want: 3, waitMs: 15_000 });
    change(world, { keyLimits: { concurrency: 3 } });
    expect(world.late).toMatchObject([{ handout: { tasks: [{}, {}] } }]);
    change(world, { keyLimits: { concurrency: 1 } });
    for (const answer of world.late)
      if (answer.ok) for (const task of answer.handout.tasks) hand.held.set(task.seq, task);
    const [one, two, three] = hand.tasks;
    if (!one || !two || !three) throw new Error("three were handed out");
    expect(hand.say({ outcomes: [one, two].map((task) => succeeded(world, task)), want: 4 }).tasks).toEqual([]);
    expect(hand.say({ outcomes: [succeeded(world, three)], want: 4 }).tasks).toHaveLength(1);
    change(world, { keyLimits: {} });
    expect(hand.say({ want: 4 }).tasks).toHaveLength(4);
  });

  it("asks for workers where it is raised", () => {
    const world = makeWorld({ slots: 1, ...ONE_EACH });
    accept(world, ...many(10, { limitKey: "a" }));
    expect(world.tickets).toHaveLength(1);
    change(world, { keyLimits: { concurrency: 3 } });
    expect(world.tickets).toHaveLength(3);
  });
});
