/** What a fire does while an earlier one of its schedule has not ended: ends come by notice, late, or not at all. */
import { describe, expect, it } from "vitest";
import { type QueueName, runId } from "../../core/ids.ts";
import type { ScheduleDefinition } from "../../core/schema/schedule-rpc.ts";
import { fireEnded } from "../../durable-objects/directory/fires/end-fires.ts";
import { changeQueue } from "../../durable-objects/directory/queues/change-queue.ts";
import { deleteQueue } from "../../durable-objects/directory/queues/delete-queue.ts";
import { deleteSchedule } from "../../durable-objects/directory/schedules/delete-schedule.ts";
import { listFires } from "../../durable-objects/directory/schedules/read-schedules.ts";
import { patchSchedule, pauseSchedule } from "../../durable-objects/directory/schedules/save-schedule.ts";
import { forgetAll } from "../../durable-objects/queue-shard/forget-all.ts";
import { NodeD1 } from "../support/node/d1.ts";
import { DirectoryWorld, START } from "../support/node/directory-world.ts";
import { begin, endOldest } from "../support/node/end-tasks.ts";
import { add, at, every, fires, see, told } from "../support/node/schedules.ts";

const times = (world: DirectoryWorld) =>
  world
    .rows<{ key: string }>("default:default:0", "SELECT key FROM dedup ORDER BY length(key), key")
    .map(({ key }) => (Number(key.split(":")[2]) - START) / 1_000);

async function worldOf(overlap: ScheduleDefinition["overlap"], more: Partial<ScheduleDefinition> = {}) {
  const world = new DirectoryWorld();
  await add(world, "a", every(10, { ...(overlap && { overlap }), ...more }));
  return world;
}

describe("333 overlap: allow", () => {
  it("333 fires whatever runs, and asks nobody about it", async () => {
    const world = await worldOf("allow");
    await world.pass(35_000);
    expect(times(world)).toEqual([10, 20, 30]);
    expect(world.countCalls("read")).toBe(0);
  });
});

describe("334 overlap: skip", () => {
  it("334 leaves out what is due while one runs, counts it, and goes on once that has ended", async () => {
    const world = await worldOf("skip");
    await world.pass(35_000);
    expect(times(world)).toEqual([10]);
    await endOldest(world, "succeeded");
    await world.pass(10_000);
    expect(times(world)).toEqual([10, 40]);
    expect(await see(world, "a")).toMatchObject({ fires: 2, skippedCount: 2, missedCount: 0, lastStatus: "SUCCEEDED" });
    expect(await told(world)).toEqual(["10 SUCCEEDED", "20 SKIPPED", "30 SKIPPED", "40 FIRED"]);
    expect((await fires(world))[1]).toMatchObject({
      made: null,
      reason: expect.stringContaining(new Date(START + 10_000).toISOString()),
    });
  });

  it("337 an end that was told to nobody is looked up at the shard, so nothing is stuck", async () => {
    const world = await worldOf("skip");
    await world.pass(10_000);
    world.endsFault = "throw";
    await endOldest(world, "failed");
    await world.pass(10_000);
    expect(times(world)).toEqual([10, 20]);
    expect(await told(world)).toEqual(["10 FAILED", "20 FIRED"]);
  });

  it("337 what nobody knows any more runs no longer: its shard forgot it with its queue", async () => {
    const world = await worldOf("skip", { queue: null });
    await world.pass(10_000);
    forgetAll(world.shard());
    await world.pass(10_000);
    expect(await told(world), "while history is away it may have been there").toEqual(["10 FIRED", "20 SKIPPED"]);
    world.database = new NodeD1();
    await world.pass(10_000);
    expect(await told(world)).toEqual(["10 UNKNOWN", "20 SKIPPED", "30 FIRED"]);
  });

  it("337 nor does one whose queue was deleted and made again", async () => {
    const world = await worldOf("skip");
    await world.pass(10_000);
    const queue = "default" as QueueName;
    await changeQueue(world.directory(), { queue, patch: {}, replace: true, create: true });
    await world.ask(deleteQueue(world.directory(), { queue, force: true }));
    await world.pass(10_000);
    expect((await told(world)).slice(0, 2)).toEqual(["10 UNKNOWN", "20 FIRED"]);
  });

  it("337 a hundred are asked after at a time, where the policy has just come to skip", async () => {
    const world = await worldOf("allow", { timing: { kind: "every", everySeconds: 1 } });
    await world.pass(150_500);
    world.endsFault = "throw";
    for (let i = 0; i < 150; i++) await endOldest(world, "failed");
    await patchSchedule(world.directory(), { id: "a", patch: { overlap: "skip" }, paused: null });
    await world.pass(1_000);
    expect(world.countCalls("read")).toBe(1);
    expect((await fires(world))[0]).toMatchObject({ status: "SKIPPED" });
    await world.pass(1_000);
    expect(world.countCalls("read")).toBe(2);
    expect((await fires(world))[0]).toMatchObject({ status: "FIRED" });
  });

  it("337 a shard that does not answer may run it still", async () => {
    const world = await worldOf("skip");
    await world.pass(10_000);
    world.faults.set("default:", "throw");
    await world.pass(15_000);
    world.faults.clear();
    expect(await told(world)).toEqual(["10 FIRED", "20 SKIPPED"]);
  });

  it("334 of several that are due at once the first fires, with the policy all", async () => {
    const world = await worldOf("skip", { missed: "all" });
    world.stand(65_000);
    await world.evict();
    await world.pass(0);
    expect(times(world)).toEqual([10]);
    expect(await see(world, "a")).toMatchObject({ fires: 1, skippedCount: 5, missedCount: 0 });
    expect((await fires(world)).map(({ status, count }) => [status, count])).toEqual([
      ["SKIPPED", 5],
      ["FIRED", 1],
    ]);
  });

  it("334 one whose earlier fire got no answer is left out: that one may run", async () => {
    const world = await worldOf("skip");
    world.faultOfCall = ({ method }) => (method === "submit" ? "lose" : null);
    await world.pass(20_500);
    world.faultOfCall = () => null;
    await world.pass(5_000);
    expect(times(world)).toEqual([10]);
    expect(await told(world)).toEqual(["10 FIRED", "20 SKIPPED"]);
  });
});

describe("335 overlap: queue-one", () => {
  it("335 keeps one waiting, the latest, and submits it when the running one has ended", async () => {
    const world = await worldOf("queue-one", { endAt: START + 45_000 });
    await world.pass(60_000);
    expect(times(world)).toEqual([10]);
    expect(await told(world)).toEqual(["10 FIRED", "20 SKIPPED", "30 SKIPPED", "40 PENDING"]);
    const asked = world.countCalls("read");
    await world.pass(1_800_000);
    expect(world.countCalls("read"), "nothing polls").toBe(asked);
    await endOldest(world, "succeeded");
    await world.pass(0);
    expect(times(world)).toEqual([10, 40]);
    expect(await told(world)).toEqual(["10 SUCCEEDED", "20 SKIPPED", "30 SKIPPED", "40 FIRED"]);
    expect(await see(world, "a")).toMatchObject({ fires: 2, skippedCount: 2, missedCount: 0 });
  });

  it("337 an end that was never told, and no fire to come: what waits is looked after within the hour", async () => {
    const world = await worldOf("queue-one", { endAt: START + 25_000 });
    await world.pass(30_000);
    world.endsFault = "throw";
    await endOldest(world, "succeeded");
    expect(times(world)).toEqual([10]);
    await world.pass(3_600_000);
    expect(times(world)).toEqual([10, 20]);
  });

  it("335 what waits goes when the one before it is given up, and is given up with a pause", async () => {
    const world = await worldOf("queue-one");
    await world.pass(25_000);
    await pauseSchedule(world.directory(), { id: "a", paused: true });
    await endOldest(world, "succeeded");
    await world.pass(60_000);
    expect(times(world)).toEqual([10]);
    expect(await told(world)).toEqual(["10 SUCCEEDED", "20 MISSED"]);
    expect((await fires(world))[0]?.reason).toBe("the schedule was paused (waits for an earlier fire's end)");
  });

  it("335 under another policy what waits is decided anew", async () => {
    const world = await worldOf("queue-one");
    await world.pass(25_000);
    await patchSchedule(world.directory(), { id: "a", patch: { overlap: "allow" }, paused: null });
    await world.pass(0);
    expect(times(world)).toEqual([10, 20]);
  });
});

describe("339 the end of a fire", () => {
  it("339 told twice, late, or before the shard's answer, counts once", async () => {
    const world = await worldOf("allow");
    let submits = 0;
    // The first one is answered with a question for settings.
    world.faultOfCall = ({ method }) => (method === "submit" && ++submits > 1 ? "lose" : null);
    await world.pass(10_000);
    const [fire] = await fires(world);
    expect(fire).toMatchObject({ status: "PENDING" });
    await endOldest(world, "failed");
    expect((await fires(world)).map(({ status }) => status)).toEqual(["FAILED"]);
    const made = (await fires(world))[0]?.made ?? runId(new Uint8Array(24));
    const fired = { schedule: "a", fireAt: START + 10_000, made, error: null };
    const end = { ...fired, status: "SUCCEEDED", endedAt: START + 9_000 } as const;
    await fireEnded(world.directory(), { v: 1, ends: [end, end] });
    expect(
      (await fires(world)).map(({ status }) => status),
      "an older word changes nothing",
    ).toEqual(["FAILED"]);
    world.faultOfCall = () => null;
    await world.pass(5_000);
    expect(await see(world, "a")).toMatchObject({ fires: 1, failuresInRow: 1, lastStatus: "FAILED" });
    expect(times(world)).toEqual([10]);
    await fireEnded(world.directory(), { v: 1, ends: [{ ...end, schedule: "gone" }] });
    expect(world.rows("default", "SELECT * FROM fire WHERE schedule = 'gone'")).toEqual([]);
  });

  it("338 the latest hundred are kept, and what runs besides where it is overlap's affair", async () => {
    const world = await worldOf("skip");
    await world.pass(10_000);
    expect(begin(world.shard())).not.toBeNull();
    await world.pass(1_500_000);
    const kept = await fires(world);
    expect(kept).toHaveLength(100);
    expect(world.rows("default", "SELECT * FROM fire"), "and the one that runs").toHaveLength(101);
    expect(times(world), "it is not taken for ended").toEqual([10]);
    const pages = await listFires(world.directory(), { id: "a", before: kept[9]?.fireAt ?? null, limit: 5 });
    expect(pages).toMatchObject({ fires: kept.slice(10, 15), next: kept[14]?.fireAt });
  });
});

describe("deleting", () => {
  it("338 a schedule's fires go with it; one of the same name begins with none", async () => {
    const world = await worldOf("allow");
    await world.pass(10_000);
    await deleteSchedule(world.directory(), { id: "a" });
    expect(await listFires(world.directory(), { id: "a", before: null, limit: 5 })).toMatchObject({
      code: "schedule-unknown",
    });
    await add(world, "a", at(START + 3_600_000));
    expect(await fires(world)).toEqual([]);
  });
});
