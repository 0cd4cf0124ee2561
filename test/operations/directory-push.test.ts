import { describe, expect, it } from "vitest";
import type { QueueName } from "../../core/ids.ts";
import type { QueuePatch } from "../../core/schema/queue-settings.ts";
import { changeQueue, controlQueue } from "../../durable-objects/directory/queues/change-queue.ts";
import { DirectoryWorld } from "../support/node/directory-world.ts";

const queue = "a" as QueueName;

async function made(patch: QueuePatch): Promise<DirectoryWorld> {
  const world = new DirectoryWorld();
  await changeQueue(world.directory(), { queue, patch, replace: true, create: true });
  await world.pass(10);
  return world;
}
const change = (world: DirectoryWorld, patch: QueuePatch) =>
  changeQueue(world.directory(), { queue, patch, replace: false, create: false });
const versions = (world: DirectoryWorld, shards: number) =>
  Array.from({ length: shards }, (_, shard) => world.shard("a", shard).memory.settings?.version ?? null);

describe("182 how settings come to the shards", () => {
  it("every change raises the version and goes to every shard that ever was", async () => {
    const world = await made({ shards: 3 });
    expect(await change(world, { shards: 2 })).toMatchObject({ shards: { asked: 3, answered: 3 } });
    expect(versions(world, 3)).toEqual([2, 2, 2]);
    expect(await controlQueue(world.directory(), { queue, action: "pause" })).toMatchObject({
      entry: { settings: { version: 3, paused: true } },
      shards: { asked: 3, answered: 3 },
    });
    expect(world.shard("a", 2).memory.settings?.paused).toBe(true);
    expect(world.rows("default", "SELECT * FROM push")).toEqual([]);
  });

  it("a change that changes nothing is no change", async () => {
    const world = await made({ shards: 2, retry: { baseMs: 7, maxAttempts: 3 } });
    expect(await change(world, { shards: 2, retry: { maxAttempts: 3 } })).toMatchObject({
      entry: { settings: { version: 1 } },
      shards: { asked: 0, answered: 0 },
    });
  });

  it("a shard that is silent holds the answer for a second, and is asked again each 2 s until it answers", async () => {
    const world = await made({ shards: 3 });
    world.faults.set("default:a:1", "hang");
    const answer = change(world, { slots: 2 });
    await world.pass(1_000);
    expect(await answer).toMatchObject({ shards: { asked: 3, answered: 2 } });
    expect(versions(world, 3)).toEqual([2, null, 2]);

    const first = world.calls.length;
    await world.pass(7_000);
    const again = world.calls.slice(first);
    expect(new Set(again.map((call) => call.shard))).toEqual(new Set(["default:a:1"]));
    expect(again.map((call) => call.at - world.now)).toEqual([-6_000, -4_000, -2_000, 0]);
    world.faults.clear();
    await world.pass(2_000);
    expect(versions(world, 3)).toEqual([2, 2, 2]);
    expect(world.rows("default", "SELECT * FROM push")).toEqual([]);
    await world.pass(2_000);
    expect(world.alarmOf()).toBeNull();
  });

  it("what is owed outlives the object", async () => {
    const world = await made({ shards: 2 });
    world.faults.set("default:a:", "throw");
    expect(await change(world, { slots: 2 })).toMatchObject({ shards: { asked: 2, answered: 0 } });
    world.loseAlarm();
    await world.evict();
    world.faults.clear();
    await world.pass(2_000);
    expect(versions(world, 2)).toEqual([2, 2]);
  });

  it("an answer to an older version does not settle what a newer one owes", async () => {
    const world = await made({ shards: 1 });
    world.faults.set("default:a:0", "lose");
    await change(world, { slots: 2 });
    await change(world, { slots: 3 });
    expect(world.rows("default", "SELECT version FROM push")).toEqual([{ version: 3 }]);
    world.faults.clear();
    await world.pass(2_000);
    expect(world.rows("default", "SELECT version FROM push")).toEqual([]);
    expect(world.shard("a", 0).memory.settings).toMatchObject({ version: 3, slots: 3 });
  });

  it("the same PATCH again asks those that have not answered", async () => {
    const world = await made({ shards: 2 });
    world.faults.set("default:a:1", "throw");
    await change(world, { slots: 2 });
    world.faults.clear();
    expect(await change(world, { slots: 2 })).toMatchObject({ shards: { asked: 1, answered: 1 } });
    expect(versions(world, 2)).toEqual([2, 2]);
  });

  it("64 shards are asked 32 at a time, and none holds the others longer than its second", async () => {
    const world = await made({ shards: 64 });
    world.faults.set("default:a:", "hang");
    const answer = change(world, { slots: 2 });
    await world.settle();
    expect(world.countCalls("configure")).toBe(32);
    await world.pass(1_000);
    expect(world.countCalls("configure")).toBe(64);
    await world.pass(1_000);
    expect(await answer).toMatchObject({ shards: { asked: 64, answered: 0 } });
  });
});
