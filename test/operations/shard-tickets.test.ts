/** Whom a shard asks for, when it wakes, and that it is quiet where it can do nothing. */
import { describe, expect, it } from "vitest";
import { onAlarm } from "../../durable-objects/queue-shard/alarm.ts";
import { configure } from "../../durable-objects/queue-shard/configure.ts";
import { drain } from "../../durable-objects/queue-shard/drain.ts";
import { deadTicket } from "../../durable-objects/queue-shard/running/dead-ticket.ts";
import { openNodeSql } from "../../durable-objects/sql/node.ts";
import { countSql } from "../support/node/count-sql.ts";
import { makeWorld, type ShardWorld } from "../support/node/shard-world.ts";
import { accept, failed, many, nth, succeeded, WorkerHand } from "../support/node/worker-hand.ts";

const names = (world: ShardWorld) => world.tickets.map(({ ticket }) => ticket.ticket);

describe("tickets", () => {
  it("125 one for each session that the waiting tasks need, up to maxSessions, on ticket queues in turn", () => {
    const world = makeWorld({ slots: 6, maxSessions: 3 });
    accept(world, ...many(7));
    expect(world.tickets.map(({ queue }) => queue)).toEqual([0, 1]);
    accept(world, ...many(100));
    expect(world.tickets.map(({ queue }) => queue)).toEqual([0, 1, 2]);
  });

  it("125 four at first; more once those have shown that their tasks are not quick", () => {
    const world = makeWorld({ slots: 6 });
    accept(world, ...many(100));
    expect(world.tickets).toHaveLength(4);
    for (const ticket of names(world)) new WorkerHand(world, { ticket });
    expect(world.tickets).toHaveLength(4);
    world.passTo(world.now + 20);
    expect(world.tickets).toHaveLength(8);
  });

  it("125 no more than the concurrency has room for, and none for what a parked session will take", () => {
    const narrow = makeWorld({ slots: 6, concurrency: 7 });
    accept(narrow, ...many(100));
    expect(narrow.tickets).toHaveLength(2);

    const world = makeWorld({ slots: 6 });
    accept(world, {});
    const hand = new WorkerHand(world, { ticket: nth(names(world), 0) });
    hand.ask({ outcomes: hand.tasks.map((task) => succeeded(world, task)), want: 6, waitMs: 15_000 });
    accept(world, ...many(6));
    expect(world.tickets).toHaveLength(1);
    accept(world, {});
    expect(world.tickets).toHaveLength(2);
  });

  it("124 one that nobody redeems is issued again after 2, 4, 8, 16 s on another queue, at last each 300 s", () => {
    const world = makeWorld();
    accept(world, {});
    const waits: number[] = [];
    while (world.tickets.length < 12) {
      const [before, since] = [world.tickets.length, world.now];
      while (world.tickets.length === before) world.passTo(world.shard.alarmAt ?? Number.NaN);
      waits.push(world.now - since);
    }
    expect(waits.slice(0, 8)).toEqual([2, 4, 8, 16, 32, 64, 128, 256].map((s) => s * 1_000));
    expect(waits.slice(8)).toEqual([300_000, 300_000, 300_000]);
    expect(world.tickets.slice(0, 5).map(({ queue }) => queue)).toEqual([0, 1, 2, 3, 0]);
  });

  it("124 redeemed twice, or late, it opens a second session only where that finds a task", () => {
    const world = makeWorld();
    accept(world, ...many(2));
    const ticket = nth(names(world), 0);
    expect(world.open({ ticket })).toMatchObject({ handout: { tasks: [{}, {}] } });
    expect(world.open({ ticket })).toMatchObject({ session: null });
    world.passTo(world.now + 60_000);
    expect(world.open({ ticket: "never-heard-of" })).toMatchObject({ ok: true });
  });

  it("134 one that Cloudflare gave up on is made good for at once", () => {
    const world = makeWorld();
    accept(world, {});
    deadTicket(world.shard, { v: 1, ticket: nth(world.tickets, 0).ticket });
    expect(names(world)).toHaveLength(2);
  });

  it("125 what no worker knows is asked about now and then, and its tasks go to the first that knows them", () => {
    const world = makeWorld();
    accept(world, { type: "new" });
    expect(world.open()).toMatchObject({ session: null });
    const before = world.tickets.length;
    world.passTo(world.now + 60_000);
    expect(world.tickets.length).toBeGreaterThan(before);
    expect(world.tickets.length).toBeLessThan(before + 8);
    const worker = { name: "newer", kind: "consumer", types: { new: 1 }, boot: null } as const;
    expect(new WorkerHand(world, { worker }).tasks).toMatchObject([{ type: "new" }]);
  });
});

describe("the alarm", () => {
  it("135 is set only where it moves earlier: a hundred submissions set it once", () => {
    const world = makeWorld();
    for (let i = 0; i < 100; i++) accept(world, {});
    expect(world.alarms).toEqual([world.now + 2_000]);
    accept(world, { runAt: world.now + 1_000 }, { runAt: world.now + 5_000 });
    expect(world.alarms).toEqual([world.now + 2_000, world.now + 1_000]);
  });

  it("106 rings at the moment that a task is due, whatever else is later", () => {
    const world = makeWorld();
    accept(world, { runAt: world.now + 3_600_000 });
    world.passTo(world.now + 3_599_999);
    expect(world.shard.memory.lanes.queued).toBe(0);
    world.passTo(world.now + 1);
    expect(world.shard.memory.lanes.queued).toBe(1);
  });

  it("197 does not ring in circles while the shard drains, though tasks wait", () => {
    const world = makeWorld();
    accept(world, ...many(3), { type: "unknown" });
    world.open({ worker: { name: "w", kind: "consumer", types: {}, boot: null } });
    drain(world.shard);
    world.passTo(world.now + 600_000);
    expect(world.alarms.length).toBeLessThan(5);
  });
});

describe("135 a shard that can do nothing is quiet", () => {
  it("10,000 waiting in a paused queue, over 10 s: no alarm and no read", () => {
    const world = makeWorld({ paused: true, depthLimit: 20_000 });
    accept(world, ...many(10_000));
    const { length } = world.alarms;
    const counts = countSql(world.shard.sql);
    world.passTo(world.now + 10_000);
    expect([world.alarms.length, counts.reads, counts.writes]).toEqual([length, 0, 0]);
  });

  it("10,000 waiting behind full slots, over 10 s: no alarm but the lease's, and a poll reads next to nothing", () => {
    const world = makeWorld({ depthLimit: 20_000, maxSessions: 1, slots: 6, timeoutMs: 600_000 });
    accept(world, ...many(10_000));
    const hand = new WorkerHand(world, { ticket: nth(names(world), 0) });
    world.passTo(world.now + 2_000);
    const [{ length }, tickets] = [world.alarms, world.tickets.length];
    const counts = countSql(world.shard.sql);
    hand.ask({ waitMs: 15_000 });
    world.passTo(world.now + 10_000);
    expect(world.alarms.length - length).toBeLessThanOrEqual(1);
    expect(world.tickets).toHaveLength(tickets);
    expect(counts.reads).toBeLessThanOrEqual(2);
    expect(counts.writes).toBeLessThanOrEqual(1);
  });

  it("a burst of failures wakes it once for history and dead letters together", async () => {
    const world = makeWorld({ slots: 64 });
    accept(world, ...many(50));
    const hand = new WorkerHand(world, { ticket: nth(names(world), 0) });
    for (const task of hand.tasks) hand.say({ outcomes: [failed(world, task, false)] });
    const at = world.shard.alarmAt;
    expect(at).toBe(world.now + 100);
    world.now = at ?? 0;
    onAlarm(world.shard);
    await Promise.all(world.background);
    expect(world.deadLetters).toHaveLength(50);
  });
});

describe("120 a paused queue", () => {
  it("asks for nobody, and for all it needs when it is resumed", () => {
    const world = makeWorld({ paused: true });
    accept(world, ...many(12));
    expect(world.tickets).toHaveLength(0);
    const { settings } = world.shard.memory;
    if (!settings) throw new Error("no settings");
    configure(world.shard, { v: 1, settings: { ...settings, version: 2, paused: false } });
    expect(world.tickets).toHaveLength(2);
  });
});

it("126 a fresh object that is only asked has no tables", () => {
  const world = makeWorld();
  expect(world.open()).toMatchObject({ session: null });
  const tables = "SELECT count(*) AS n FROM sqlite_master";
  expect(world.shard.sql.all(tables)).toEqual(openNodeSql().all(tables));
});
