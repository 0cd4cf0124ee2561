/** Rates at a shard: how often tasks start, over evictions too, and when it wakes. */
import { describe, expect, it } from "vitest";
import { configure } from "../../durable-objects/queue-shard/configure.ts";
import { close } from "../../durable-objects/queue-shard/running/close.ts";
import { countSql } from "../support/node/count-sql.ts";
import { makeWorld, type ShardWorld } from "../support/node/shard-world.ts";
import { accept, many, nth, succeeded, WorkerHand } from "../support/node/worker-hand.ts";

const RATE = { limit: 2, periodMs: 1_000, burst: 3 };

/** Works off whatever comes, as it comes: a session for each ticket. @returns when each task started (ms from now) */
function workOff(world: ShardWorld, ms: number, evicts = false): number[] {
  const since = world.now;
  const starts: number[] = [];
  let redeemed = 0;
  while (world.now < since + ms) {
    for (; redeemed < world.tickets.length; redeemed++) {
      const { ticket } = nth(world.tickets, redeemed);
      const opened = world.open({ ticket: ticket.ticket });
      if (!opened.ok || opened.session === null) continue;
      const { tasks } = opened.handout;
      for (const _ of tasks) starts.push(world.now - since);
      if (evicts) world.evict();
      close(world.shard, {
        v: 1,
        session: opened.session,
        turn: 1,
        outcomes: tasks.map((task) => succeeded(world, task)),
      });
    }
    world.passTo(Math.min(since + ms, world.shard.alarmAt ?? since + ms));
  }
  return starts;
}

describe("242 a rate", () => {
  it.each([
    ["of the queue", { rate: RATE }],
    ["of a type", { typeLimits: { echo: { rate: RATE } } }],
    ["of a limitKey", { keyLimits: { rate: RATE } }],
    [
      "of a limitKey's own",
      { keyLimits: { rate: { limit: 1, periodMs: 86_400_000 } }, keyLimitOverrides: { a: { rate: RATE } } },
    ],
  ])("%s: a burst, then each token as it comes, also where memory is lost each time", (_, settings) => {
    for (const evicts of [false, true]) {
      const world = makeWorld({ slots: 1, lingerMs: 0, ...settings });
      accept(world, ...many(20, { limitKey: "a" }));
      expect(workOff(world, 3_000, evicts)).toEqual([0, 0, 0, 500, 1_000, 1_500, 2_000, 2_500]);
    }
  });

  it("over several shards is in whole shares, its burst too, and a burst no less than 1", () => {
    for (const [burst, first] of [
      [8, 2],
      [2, 1],
    ] as const) {
      const world = makeWorld({ slots: 20, shards: 4, rate: { limit: 4, periodMs: 1_000, burst } });
      accept(world, ...many(20));
      expect(new WorkerHand(world).tasks).toHaveLength(first);
    }
  });

  it("holds nothing else back, and a task without that key or type least of all", () => {
    const world = makeWorld({
      slots: 20,
      keyLimits: { rate: RATE },
      typeLimits: { sleep: { rate: { limit: 1, periodMs: 60_000 } } },
    });
    accept(world, ...many(5, { limitKey: "a", priority: 9 }), ...many(3, { type: "sleep" }), ...many(2), {
      limitKey: "b",
    });
    const types = new WorkerHand(world).tasks.map(({ type }) => type);
    expect(types).toEqual(["echo", "echo", "echo", "sleep", "echo", "echo", "echo"]);
  });

  it("is of starts: a task that it bounds is not claimed ahead of the slots", () => {
    const world = makeWorld({ slots: 1, rate: { limit: 1, periodMs: 60_000, burst: 9 } });
    accept(world, ...many(3));
    const hand = new WorkerHand(world);
    expect(hand.say({ want: 5 }).tasks).toEqual([]);
    expect(hand.say({ outcomes: hand.tasks.map((task) => succeeded(world, task)), want: 5 }).tasks).toHaveLength(1);
  });

  it("counts each start: one that was handed back, or is tried again, takes another token", () => {
    const world = makeWorld({ slots: 5, rate: { limit: 1, periodMs: 60_000, burst: 2 } });
    accept(world, ...many(2));
    new WorkerHand(world).close();
    expect(world.open()).toMatchObject({ session: null });
  });
});

describe("243 the wait for a token", () => {
  it("asks for nobody and rings once a token, however much waits", () => {
    const world = makeWorld({ slots: 6, depthLimit: 20_000, rate: { limit: 1, periodMs: 60_000 } });
    accept(world, ...many(10_000));
    const hand = new WorkerHand(world, { ticket: nth(world.tickets, 0).ticket.ticket });
    hand.close(hand.tasks.map((task) => succeeded(world, task)));
    const counts = countSql(world.shard.sql);
    const tickets = world.tickets.length;
    world.passTo(world.now + 59_999);
    expect(world.tickets).toHaveLength(tickets);
    expect(counts.reads).toBeLessThan(3);
    world.passTo(world.now + 1);
    expect(world.tickets).toHaveLength(tickets + 1);
  });

  it("ends for a parked session in the moment of the token, for many keys each in its own", () => {
    const world = makeWorld({ slots: 9, keyLimits: { rate: { limit: 1, periodMs: 1_000 } } });
    accept(world, ...many(2, { limitKey: "a" }));
    const hand = new WorkerHand(world);
    world.passTo(world.now + 300);
    accept(world, ...many(2, { limitKey: "b" }));
    const since = world.now;
    expect(hand.say({ want: 5, started: [] }).tasks).toHaveLength(1);
    hand.ask({ want: 5, waitMs: 15_000 });
    world.passTo(since + 699);
    expect(world.late).toHaveLength(0);
    world.passTo(since + 700);
    expect(world.late).toMatchObject([{ handout: { tasks: [{}] } }]);
    for (const answer of world.late)
      if (answer.ok) for (const task of answer.handout.tasks) hand.held.set(task.seq, task);
    hand.ask({ want: 5, waitMs: 15_000 });
    world.passTo(since + 1_000);
    expect(world.late).toHaveLength(2);
  });

  it("is 20 ms where the token comes sooner", () => {
    const world = makeWorld({ slots: 1, rate: { limit: 1, periodMs: 5 } });
    accept(world, ...many(2));
    const hand = new WorkerHand(world);
    hand.ask({ outcomes: hand.tasks.map((task) => succeeded(world, task)), want: 1, waitMs: 15_000 });
    world.passTo(world.now + 20);
    expect(world.late).toMatchObject([{ handout: { tasks: [{}] } }]);
  });

  it("a bucket that was full again by the rate before is full by a slower one too, and its key is not waited for", () => {
    const world = makeWorld({ slots: 9, keyLimits: { rate: { limit: 1, periodMs: 100 } } });
    accept(world, ...many(2, { limitKey: "a" }));
    const hand = new WorkerHand(world);
    const { settings } = world.shard.memory;
    if (!settings) throw new Error("no settings");
    const keyLimits = { rate: { limit: 1, periodMs: 60_000 } };
    configure(world.shard, { v: 1, settings: { ...settings, version: 2, keyLimits } });
    world.evict();
    world.now += 200;
    expect(hand.say({ want: 9 }).tasks).toEqual([]);
    accept(world, { limitKey: "b" });
    // The first claim that takes a token since the start drops what is full.
    expect(hand.say({ want: 1 }).tasks).toHaveLength(1);
    expect(hand.say({ want: 9 }).tasks).toHaveLength(1);
  });

  it("239 ends with a push that raises the rate, or lifts it", () => {
    const world = makeWorld({ slots: 9, rate: { limit: 1, periodMs: 86_400_000 } });
    accept(world, ...many(9));
    const hand = new WorkerHand(world);
    const { settings } = world.shard.memory;
    if (!settings) throw new Error("no settings");
    configure(world.shard, { v: 1, settings: { ...settings, version: 2, rate: { limit: 1, periodMs: 100 } } });
    world.passTo(world.now + 100);
    expect(hand.say({ want: 9 }).tasks).toHaveLength(1);
    configure(world.shard, { v: 1, settings: { ...settings, version: 3, rate: null } });
    expect(hand.say({ want: 9 }).tasks).toHaveLength(7);
  });
});

it("244 a claim writes the buckets that it took from itself, and not those of claims before", () => {
  const world = makeWorld({ slots: 9, keyLimits: { rate: { limit: 1, periodMs: 60_000, burst: 5 } } });
  const change = "CREATE TRIGGER told AFTER UPDATE ON bucket BEGIN INSERT INTO told (name) VALUES (NEW.name); END";
  accept(world, { limitKey: "a" });
  const hand = new WorkerHand(world);
  world.shard.sql.run("CREATE TABLE told (name TEXT)");
  world.shard.sql.run(change);
  const claim = (limitKey: string) => {
    accept(world, { limitKey });
    hand.say({ outcomes: hand.tasks.map((task) => succeeded(world, task)), want: 1 });
    return world.shard.sql.all<{ name: string }>("DELETE FROM told RETURNING name").map(({ name }) => name);
  };
  // A new row is no update: of b there is none to be told yet.
  expect([claim("b"), claim("a"), claim("b")]).toEqual([[], ["key a"], ["key b"]]);
});

it("244 rows of buckets: one a claim for each bucket that it took from, none where there is no rate; full ones go", () => {
  const world = makeWorld({ slots: 64, depthLimit: 20_000, keyLimits: { rate: { limit: 1, periodMs: 100 } } });
  const names = () => world.shard.sql.all("SELECT name FROM bucket").length;
  accept(world, ...many(3));
  const hand = new WorkerHand(world);
  expect(names()).toBe(0);
  const next = (limitKeys: string[]) => {
    accept(world, ...limitKeys.map((limitKey) => ({ limitKey })));
    hand.say({ outcomes: hand.tasks.map((task) => succeeded(world, task)), want: 64 });
  };
  for (let i = 0; i < 40; i++) next(Array.from({ length: 64 }, (_, k) => `${i} ${k}`));
  expect(names()).toBe(40 * 64);
  world.passTo(world.now + 1_000);
  for (let i = 40; i < 80; i++) next(Array.from({ length: 64 }, (_, k) => `${i} ${k}`));
  expect(names()).toBeLessThan(50 * 64);
});
