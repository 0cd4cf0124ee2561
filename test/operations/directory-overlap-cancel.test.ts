/** `overlap: cancel-running`: what ran before is cancelled once its successor was taken. */
import { describe, expect, it } from "vitest";
import type { QueueName } from "../../core/ids.ts";
import type { ScheduleDefinition } from "../../core/schema/schedule-rpc.ts";
import { controlQueue } from "../../durable-objects/directory/queues/change-queue.ts";
import { DirectoryWorld, START } from "../support/node/directory-world.ts";
import { begin } from "../support/node/end-tasks.ts";
import { add, every, fires, see, told } from "../support/node/schedules.ts";
import type { Fault } from "../support/node/shard-for-directory.ts";

const times = (world: DirectoryWorld) =>
  world
    .rows<{ key: string }>("default:default:0", "SELECT key FROM dedup ORDER BY length(key), key")
    .map(({ key }) => (Number(key.split(":")[2]) - START) / 1_000);

async function worldOf(more: Partial<ScheduleDefinition>): Promise<DirectoryWorld> {
  const world = new DirectoryWorld();
  await add(world, "a", every(10, more));
  return world;
}

describe("336 overlap: cancel-running", () => {
  const stopping = (world: DirectoryWorld) =>
    world
      .rows<{ status: string }>("default:default:0", "SELECT status FROM task ORDER BY seq")
      .map((row) => row.status);

  it("336 fires at once and cancels what waits or runs of before", async () => {
    const world = await worldOf({ overlap: "cancel-running" });
    await world.pass(10_000);
    expect(begin(world.shard())).not.toBeNull();
    await world.pass(10_000);
    expect(times(world)).toEqual([10, 20]);
    const [session] = [...world.shard().memory.sessions.values()];
    expect([...(session?.claims.values() ?? [])][0]).toMatchObject({ cancelAt: expect.any(Number) });
    await world.pass(10_000);
    expect(times(world)).toEqual([10, 20, 30]);
    expect(await told(world)).toEqual(["10 FIRED", "20 CANCELLED", "30 FIRED"]);
    expect(stopping(world)).toEqual(["RUNNING", "QUEUED"]);
  });

  it("336 a cancel that got no answer is sent again; one that was heard of late is sent then", async () => {
    const world = await worldOf({ overlap: "cancel-running" });
    await world.pass(10_000);
    world.faultOfCall = ({ method }) => (method === "cancel" ? "throw" : null);
    await world.pass(12_000);
    expect(stopping(world)).toEqual(["QUEUED", "QUEUED"]);
    world.faultOfCall = () => null;
    await world.pass(5_000);
    expect(stopping(world)).toEqual(["QUEUED"]);
    expect(await told(world)).toEqual(["10 CANCELLED", "20 FIRED"]);
  });

  it.each<[string, Fault | "drain" | "delete"]>([
    ["a queue that drains", "drain"],
    ["a queue that is full", { v: 1, ok: false, code: "queue-full", detail: "full" }],
    ["a queue that is gone", "delete"],
    ["a payload that is refused", { v: 1, ok: false, code: "payload-too-large", detail: "large" }],
  ])("336 what runs goes on where its successor is refused: %s", async (_, why) => {
    const world = await worldOf({ overlap: "cancel-running" });
    await world.pass(10_000);
    expect(begin(world.shard())).not.toBeNull();
    const queue = "default" as QueueName;
    if (why === "drain") await world.ask(controlQueue(world.directory(), { queue, action: "drain" }));
    else if (why === "delete") world.directory().sql.run("UPDATE schedule SET queue = 'gone'");
    else world.faultOfCall = ({ method }) => (method === "submit" ? why : null);
    await world.pass(25_000);
    const [session] = [...world.shard().memory.sessions.values()];
    expect([...(session?.claims.values() ?? [])][0]).toMatchObject({ cancelAt: null });
    expect((await told(world))[0]).toBe("10 FIRED");
    expect(world.countCalls("cancel")).toBe(0);
    if (why === "delete") return;
    // Once one is taken, it is cancelled.
    world.faultOfCall = () => null;
    await world.ask(controlQueue(world.directory(), { queue, action: "resume" }));
    await world.pass(10_000);
    const [claim] = [...([...world.shard().memory.sessions.values()][0]?.claims.values() ?? [])];
    expect(claim).toMatchObject({ cancelAt: expect.any(Number) });
  });

  it("336 one whose taking was not heard of is a successor once it is", async () => {
    const world = await worldOf({ overlap: "cancel-running" });
    await world.pass(10_000);
    world.faultOfCall = ({ method }) => (method === "submit" ? "lose" : null);
    await world.pass(10_000);
    expect(await told(world)).toEqual(["10 FIRED", "20 PENDING"]);
    await world.evict();
    world.faultOfCall = () => null;
    await world.pass(2_100);
    expect(await told(world)).toEqual(["10 CANCELLED", "20 FIRED"]);
  });
});

describe("336 351 cancel-running and a shard that is silent", () => {
  it.each<[Fault, number]>([
    ["throw", 2],
    ["lose", 4],
  ])("351 for three hours (%s): two are asked after, one waits, the others are left out", async (fault, fires) => {
    const world = await worldOf({ overlap: "cancel-running", timing: { kind: "every", everySeconds: 60 } });
    await world.pass(60_000);
    world.faults.set("default:", fault);
    for (let minute = 0; minute < 180; minute++) {
      await world.pass(60_000);
      expect(world.rows("default", "SELECT * FROM pending").length).toBeLessThanOrEqual(3);
    }
    world.faults.clear();
    await world.pass(59_000);
    const missedCount = 4 - fires;
    expect(await see(world, "a")).toMatchObject({
      fires,
      missedCount,
      skippedCount: 177,
      lastFireAt: world.now - 59_000,
    });
    expect(world.tasks()).toHaveLength(1);
  });

  it("351 one that got no answer is not made where a later one was meanwhile", async () => {
    const world = await worldOf({ overlap: "cancel-running" });
    await world.pass(10_000);
    world.faultOfCall = ({ method, at }) => (method === "submit" && at < START + 30_000 ? "throw" : null);
    await world.pass(45_000);
    expect(await told(world)).toEqual(["10 CANCELLED", "20 MISSED", "30 CANCELLED", "40 CANCELLED", "50 FIRED"]);
    expect(times(world)).toEqual([10, 30, 40, 50]);
    expect((await fires(world)).find(({ status }) => status === "MISSED")).toMatchObject({
      reason: "a later one was due (it was not taken)",
    });
  });
});
