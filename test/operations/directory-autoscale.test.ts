/** A queue whose shards are as many as its load asks for: from the alarm to the shards' own settings. */
import { describe, expect, it } from "vitest";
import type { QueueName } from "../../core/ids.ts";
import type { QueuePatch } from "../../core/schema/queue-settings.ts";
import type { NewTask } from "../../core/schema/rpc.ts";
import { submitTo } from "../../durable-objects/directory/fires/submit-fires.ts";
import { changeQueue, controlQueue } from "../../durable-objects/directory/queues/change-queue.ts";
import { deleteQueue } from "../../durable-objects/directory/queues/delete-queue.ts";
import { findQueue } from "../../durable-objects/directory/queues/queue-entry.ts";
import { events } from "../../durable-objects/directory/report.ts";
import { open } from "../../durable-objects/queue-shard/running/open.ts";
import { DirectoryWorld } from "../support/node/directory-world.ts";

const queue = "a" as QueueName;
const TASK: NewTask = { type: "echo", version: 1, priority: 5, payload: "1", runAt: null, options: null };
const autoscale = { minShards: 1, maxShards: 4, targetDepth: 10, targetWaitMs: 3_600_000 };

async function made(patch: QueuePatch = {}): Promise<DirectoryWorld> {
  const world = new DirectoryWorld();
  await put(world, { autoscale, ...patch });
  return world;
}
const put = (world: DirectoryWorld, patch: QueuePatch) =>
  changeQueue(world.directory(), { queue, patch, replace: true, create: true });
const settings = (world: DirectoryWorld) => findQueue(world.directory(), queue)?.settings;
const submit = (world: DirectoryWorld, tasks: number, shard = 0) =>
  world.ask(submitTo(world.directory(), queue, shard, Array<NewTask>(tasks).fill(TASK), 1_000));
const forget = (world: DirectoryWorld, shard: number) => {
  world.shard("a", shard).sql.run("DELETE FROM task");
  world.shard("a", shard).reload();
};

describe("259 autoscale", () => {
  it("raises `shards` while more waits than is aimed at, tells the shards and the operator why", async () => {
    const world = await made();
    await submit(world, 35);
    await world.pass(120_000);
    expect(settings(world)?.shards).toBe(4);
    expect([0, 1, 2, 3].map((shard) => world.shard("a", shard).memory.settings?.shards)).toEqual([4, 4, 4, 4]);
    const told = await events(world.directory(), {});
    const details = told.ok
      ? told.events.filter(({ kind }) => kind === "queue-scaled").map(({ detail }) => detail)
      : [];
    expect(details).toHaveLength(2);
    expect(details.join()).toContain("35 tasks wait in 1 shard, 10 a shard are aimed at");
  });

  it.each<[string, QueuePatch, Partial<NewTask>]>([
    ["the queue's concurrency", { concurrency: 4 }, {}],
    ["its rate", { rate: { limit: 4, periodMs: 3_600_000, burst: 4 } }, {}],
    ["the limit of its type", { typeLimits: { echo: { concurrency: 4 } } }, {}],
    ["the one shard of its limitKey", { concurrency: 100 }, { limitKey: "k" }],
  ])("does not count what waits for %s, however much and long it waits", async (_, patch, more) => {
    const world = await made({ ...patch, autoscale: { ...autoscale, targetWaitMs: 1_000 } });
    const tasks = Array.from({ length: 50 }, (): NewTask => ({ ...TASK, ...more }));
    await world.ask(submitTo(world.directory(), queue, 0, tasks, 1_000));
    const worker = { name: "w", kind: "consumer", types: { echo: 1 }, boot: null } as const;
    const opened = open(world.shard("a", 0), { v: 1, ticket: null, solo: false, want: 9, worker });
    expect(opened).toMatchObject({ ok: true, handout: { tasks: { length: more.limitKey ? 6 : 4 } } });
    await world.pass(30_000);
    expect(settings(world)?.shards).toBe(1);
  });

  it("lowers it one by one when little waits, also in shards that were lowered before; it stays at its least", async () => {
    const world = await made({ shards: 3 });
    await submit(world, 12, 2);
    await world.pass(600_000);
    expect(settings(world)?.shards).toBe(3);
    forget(world, 2);
    await world.pass(1_200_000);
    expect(settings(world)?.shards).toBe(1);
  });

  it("goes on over an eviction of the Directory, and wakes it no longer when it is switched off", async () => {
    const world = await made();
    await submit(world, 35);
    await world.evict();
    await world.pass(120_000);
    expect(settings(world)?.shards).toBe(4);
    await put(world, { shards: 2 });
    await world.pass(30_000);
    expect(settings(world)?.shards).toBe(2);
    expect(world.alarmOf()).toBeNull();
  });

  it("decides nothing where a shard does not answer, or while the queue is paused", async () => {
    const world = await made();
    await submit(world, 35);
    world.faults.set("default:a:0", "hang");
    await world.pass(60_000);
    expect(settings(world)?.shards).toBe(1);
    world.faults.clear();
    await world.ask(controlQueue(world.directory(), { queue, action: "pause" }));
    await world.pass(60_000);
    expect(settings(world)?.shards).toBe(1);
    await world.ask(controlQueue(world.directory(), { queue, action: "resume" }));
    await world.pass(60_000);
    expect(settings(world)?.shards).toBe(4);
  });

  it("keeps what it reached when the queue's other settings are put anew; `shards` outside of it is brought inside", async () => {
    const world = await made();
    await submit(world, 35);
    await world.pass(120_000);
    await put(world, { autoscale, slots: 3 });
    expect(settings(world)).toMatchObject({ shards: 4, slots: 3 });
    await put(world, { autoscale: { ...autoscale, maxShards: 2 } });
    expect(settings(world)?.shards).toBe(2);
  });

  it("ends with its queue", async () => {
    const world = await made();
    await world.ask(deleteQueue(world.directory(), { queue, force: true }));
    await world.pass(660_000);
    expect(world.rows("default", "SELECT * FROM scaling")).toEqual([]);
    expect(world.alarmOf()).toBeNull();
  });

  it("is refused where a share of a limit would be less than one task a shard", async () => {
    const world = new DirectoryWorld();
    expect(await put(world, { autoscale, depthLimit: 3 })).toMatchObject({
      code: "invalid-request",
      pointer: "/depthLimit",
    });
  });
});
