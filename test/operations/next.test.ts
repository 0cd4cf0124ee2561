/** What a shard says is next, against what it then starts. */
import { describe, expect, it } from "vitest";
import type { Seq } from "../../core/ids.ts";
import type { NextAnswerOf } from "../../core/schema/explain-rpc.ts";
import { configure } from "../../durable-objects/queue-shard/configure.ts";
import { next } from "../../durable-objects/queue-shard/reads/next.ts";
import { Random } from "../simulation/random.ts";
import { drawSettings, drawTask } from "../support/node/draw-queue.ts";
import { makeWorld, type ShardWorld, START } from "../support/node/shard-world.ts";
import { accept, many, nth, WorkerHand } from "../support/node/worker-hand.ts";

const ALL = { name: "w", kind: "consumer", types: { echo: 2, sleep: 1, fail: 1 }, boot: null } as const;

function nextOf(world: ShardWorld, n = 100): NextAnswerOf {
  const answer = next(world.shard, { v: 1, n });
  if (!answer.ok) throw new Error(answer.detail);
  return answer;
}
const seqsOf = ({ tasks }: NextAnswerOf) => tasks.map(({ seq }) => seq);

/** Starts task after task, as long as any may start; nothing ends and no time passes. */
function startAll(hand: WorkerHand, most: number): Seq[] {
  const started: Seq[] = [];
  while (started.length < most) {
    const { tasks } = hand.say({ want: 1 });
    if (tasks.length === 0) break;
    started.push(nth(tasks, 0).seq);
  }
  return started;
}

describe("261 what is next", () => {
  it("is what then starts, one after the other, whatever limits, rates, turns and ages there are", () => {
    let told = 0;
    for (let seed = 1; seed <= 100; seed++) {
      const random = new Random(seed, "next");
      const world = makeWorld(drawSettings(random));
      for (let i = random.between(1, 60); i > 0; i--) {
        accept(world, ...many(random.chance(0.1) ? 150 : random.between(1, 3), drawTask(random)));
        world.now += random.between(0, 200);
      }
      const hand = new WorkerHand(world, { worker: ALL, want: random.between(0, 5) });
      world.now += random.between(0, 500);
      if (random.chance(0.2)) world.evict();
      const n = random.between(1, 60);
      const { tasks, mayStart, queued } = nextOf(world, n);
      const started = startAll(hand, n);
      expect(started, `seed ${seed}`).toEqual(tasks.slice(0, mayStart).map(({ seq }) => seq));
      expect(nextOf(world).queued).toBe(queued - started.length);
      told += started.length;
    }
    expect(told).toBeGreaterThan(1_000);
  });

  it("changes nothing: neither what starts, nor a row, however often it is asked", () => {
    const world = makeWorld({ slots: 64, fair: {}, keyLimits: { rate: { limit: 1, periodMs: 1_000 } } });
    accept(world, ...many(20, { fairnessKey: "a", limitKey: "a" }), ...many(20, { fairnessKey: "b" }));
    const before = world.shard.sql.all("SELECT * FROM task");
    const first = nextOf(world);
    expect(nextOf(world)).toEqual(first);
    expect(world.shard.sql.all("SELECT * FROM task")).toEqual(before);
    expect(world.shard.sql.all("SELECT * FROM bucket")).toEqual([]);
    expect(startAll(new WorkerHand(world, { want: 0 }), 50)).toEqual(seqsOf(first));
  });
});

describe("262 what may not start now", () => {
  const heldOf = (world: ShardWorld) => nextOf(world).heldBack;

  it("is counted by what holds it back: its key, its type, a worker that is missing", () => {
    const rate = { limit: 1, periodMs: 10_000, burst: 2 };
    const world = makeWorld({ slots: 64, typeLimits: { sleep: { rate } }, keyLimits: { concurrency: 1 } });
    const tasks = [
      ...many(3, { limitKey: "a" }),
      ...many(2, { limitKey: "b", priority: 7 }),
      ...many(5, { type: "sleep" }),
      ...many(4, { type: "rare" }),
      ...many(2, { version: 9 }),
      ...many(2),
    ];
    accept(world, ...tasks);
    const hand = new WorkerHand(world, { want: 0 });
    const before = nextOf(world);
    expect(before).toMatchObject({ queued: 18, mayStart: 6, notDue: 0, nextDueAt: null, heldByOthers: 0 });
    expect(before.heldBack).toMatchObject([
      { count: 4, reason: { code: "no-worker", type: "rare", known: null } },
      { count: 3, reason: { code: "type-rate", type: "sleep", ownTokenAt: expect.stringContaining("00:00:10") } },
      { count: 2, reason: { code: "no-worker", type: "echo", version: 9, known: 1 } },
      { count: 2, reason: { code: "key-concurrency", limitKey: "a", running: 0, limit: 1 } },
      { count: 1, reason: { code: "key-concurrency", limitKey: "b" } },
    ]);
    expect(startAll(hand, 100)).toEqual(seqsOf(before));
    const after = nextOf(world);
    expect(after).toMatchObject({ tasks: [], mayStart: 0, queued: 12 });
    expect(after.heldBack.map(({ count }) => count)).toEqual(before.heldBack.map(({ count }) => count));
    expect(after.heldBack).toContainEqual(
      expect.objectContaining({ reason: expect.objectContaining({ limitKey: "a", running: 1 }) }),
    );
  });

  it("is all of it where the queue is paused, stopped, or has no room; the order is told all the same", () => {
    const world = makeWorld({ slots: 2, maxSessions: 1, concurrency: 4 });
    const seqs = accept(world, ...many(6));
    expect(nextOf(world)).toMatchObject({
      mayStart: 4,
      heldBack: [{ count: 2, reason: { code: "queue-concurrency" } }],
    });
    new WorkerHand(world, { want: 2 });
    expect(nextOf(world).heldBack).toMatchObject([
      { count: 2, reason: { code: "queue-concurrency", running: 2, limit: 4 } },
      { count: 4, reason: { code: "no-free-slot", sessions: 1 } },
    ]);
    const { settings } = world.shard.memory;
    if (settings) configure(world.shard, { v: 1, settings: { ...settings, paused: true, version: 2 } });
    world.shard.draining = true;
    expect(heldOf(world).map(({ reason }) => reason.code)).toEqual([
      "paused",
      "stopping",
      "queue-concurrency",
      "no-free-slot",
    ]);
    expect(nextOf(world)).toMatchObject({ mayStart: 0 });
    expect(seqsOf(nextOf(world))).toEqual(seqs.slice(2));
  });

  it("is not the tasks that are not due, which are counted beside", () => {
    const world = makeWorld();
    accept(world, { runAt: START + 5_000 }, { runAt: START + 9_000 });
    expect(nextOf(world)).toMatchObject({ tasks: [], queued: 0, notDue: 2, nextDueAt: START + 5_000 });
  });

  it("is told of the fifty keys that hold the most; the others are counted together", () => {
    const world = makeWorld({ keyLimits: { concurrency: 1 }, slots: 64 });
    accept(world, ...Array.from({ length: 60 }, (_, i) => many(i < 5 ? 3 : 2, { limitKey: `k${i}` })).flat());
    const { heldBack, heldByOthers } = nextOf(world);
    expect([heldBack.length, heldByOthers]).toEqual([50, 10]);
    expect(heldBack.slice(0, 6).map(({ count }) => count)).toEqual([2, 2, 2, 2, 2, 1]);
  });
});
