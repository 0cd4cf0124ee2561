/** Failures in a row, and what is kept of fires for it. */
import { describe, expect, it } from "vitest";
import type { ScheduleDefinition } from "../../core/schema/schedule-rpc.ts";
import { fireEnded } from "../../durable-objects/directory/fires/end-fires.ts";
import { patchSchedule, pauseSchedule } from "../../durable-objects/directory/schedules/save-schedule.ts";
import { DirectoryWorld } from "../support/node/directory-world.ts";
import { begin, endOldest } from "../support/node/end-tasks.ts";
import { add, every, fires, see } from "../support/node/schedules.ts";

const times = (world: DirectoryWorld) =>
  world
    .rows<{ key: string }>("default:default:0", "SELECT key FROM dedup ORDER BY length(key), key")
    .map(({ key }) => Number(key.split(":")[2]) / 1_000);

async function latest(world: DirectoryWorld) {
  const [fire] = await fires(world);
  if (!fire?.made) throw new Error("nothing was fired");
  return { schedule: "a", fireAt: fire.fireAt, made: fire.made };
}
async function worldOf(more: Partial<ScheduleDefinition>): Promise<DirectoryWorld> {
  const world = new DirectoryWorld();
  await add(world, "a", every(10, more));
  return world;
}

describe("340 disableAfter", () => {
  it("340 pauses a schedule whose fires failed so often in a row, and says why; resumed, it counts anew", async () => {
    const world = await worldOf({ disableAfter: 2 });
    const round = async (how: "succeeded" | "failed") => {
      await world.pass(10_000);
      await endOldest(world, how);
    };
    await round("failed");
    await round("succeeded");
    await round("failed");
    expect(await see(world, "a")).toMatchObject({ paused: false, failuresInRow: 1, stopped: null });
    await round("failed");
    expect(await see(world, "a")).toMatchObject({
      paused: true,
      nextAt: null,
      failuresInRow: 2,
      stopped: "2 fires in a row ended FAILED or EXPIRED (disableAfter)",
    });
    expect(world.rows("default", "SELECT detail FROM event WHERE kind = 'schedule-stopped'")).toEqual([
      { detail: "a is paused: 2 fires in a row ended FAILED or EXPIRED (disableAfter)" },
    ]);
    await world.pass(60_000);
    expect(times(world)).toHaveLength(4);
    await pauseSchedule(world.directory(), { id: "a", paused: false });
    expect(await see(world, "a")).toMatchObject({ paused: false, failuresInRow: 0, stopped: null });
    await round("failed");
    expect(await see(world, "a")).toMatchObject({ paused: false, failuresInRow: 1 });
  });

  it("340 the stop is told at the queue that its tasks go to, and a change of the schedule", async () => {
    const world = await worldOf({ disableAfter: 1 });
    const made = await see(world, "a");
    await world.pass(12_000);
    await endOldest(world, "failed");
    expect((await see(world, "a")).updatedAt).toBeGreaterThan(made.updatedAt);
    expect(world.rows("default", "SELECT queue FROM event WHERE kind = 'schedule-stopped'")).toEqual([
      { queue: "default" },
    ]);
  });

  it("340 a smaller number counts from the next end on", async () => {
    const world = await worldOf({ disableAfter: 9 });
    await world.pass(50_000);
    for (let i = 0; i < 3; i++) await endOldest(world, "failed");
    await patchSchedule(world.directory(), { id: "a", patch: { disableAfter: 2 }, paused: null });
    expect(await see(world, "a")).toMatchObject({ paused: false, failuresInRow: 3 });
    await endOldest(world, "failed");
    expect(await see(world, "a")).toMatchObject({ paused: true, failuresInRow: 4 });
  });

  it("339 one that was given up and ran all the same was a fire, and is missed no more", async () => {
    const world = await worldOf({ timing: { kind: "every", everySeconds: 600 } });
    let submits = 0;
    world.faultOfCall = ({ method }) => (method === "submit" && ++submits > 1 ? "lose" : null);
    await world.pass(1_200_000);
    expect(await see(world, "a")).toMatchObject({ fires: 0, missedCount: 1 });
    await endOldest(world, "failed");
    expect(await see(world, "a")).toMatchObject({ fires: 1, missedCount: 0, lastStatus: "FAILED", failuresInRow: 1 });
    const fire = (await fires(world)).at(-1);
    expect(fire).toMatchObject({ status: "FAILED", firedAt: world.now, reason: null });
    expect((await see(world, "a")).lastTaskId).toBe(fire?.made);
  });

  it("340 one that was cancelled is no failure and no success", async () => {
    const world = await worldOf({ overlap: "cancel-running", disableAfter: 2 });
    await world.pass(10_000);
    await endOldest(world, "failed");
    await world.pass(20_000);
    await endOldest(world, "failed");
    expect(await see(world, "a")).toMatchObject({ paused: true, failuresInRow: 2 });
  });

  it("340 counts those that many others have come after, and ends that come late", async () => {
    const world = await worldOf({ disableAfter: 50, timing: { kind: "every", everySeconds: 1 } });
    // More than a hundred are under way at each moment, so each end is of one that is long past.
    await world.pass(150_000);
    for (let i = 0; i < 49; i++) {
      await endOldest(world, "failed");
      await world.pass(1_000);
    }
    expect(await see(world, "a")).toMatchObject({ paused: false, failuresInRow: 49 });
    await endOldest(world, "failed");
    expect(await see(world, "a")).toMatchObject({ paused: true, failuresInRow: 50 });
  });

  it("338 340 of fires that were left out between them no failure is forgotten, nor the success before", async () => {
    const world = await worldOf({ overlap: "skip", disableAfter: 3 });
    const round = async (how: "succeeded" | "failed") => {
      await world.pass(1_200_000);
      await endOldest(world, how);
      await world.pass(10_000);
    };
    await world.pass(10_000);
    const early = await latest(world);
    await round("failed");
    await round("succeeded");
    await round("failed");
    // Told again, once everything about it is past: it is none of those that count.
    const again = { ...early, status: "FAILED", endedAt: world.now, error: null } as const;
    await fireEnded(world.directory(), { v: 1, ends: [again, again] });
    await round("failed");
    expect(await see(world, "a")).toMatchObject({ paused: false, failuresInRow: 2 });
    await round("failed");
    expect(await see(world, "a")).toMatchObject({ paused: true, failuresInRow: 3, lastStatus: "FAILED" });
  });

  it("338 a hundred rows are kept and the number is true, however many fail; a success ends it", async () => {
    const world = await worldOf({ timing: { kind: "every", everySeconds: 1 } });
    for (let i = 0; i < 130; i++) {
      await world.pass(1_000);
      await endOldest(world, "failed");
    }
    expect(await see(world, "a")).toMatchObject({ failuresInRow: 130 });
    expect(world.rows("default", "SELECT * FROM fire")).toHaveLength(100);
    await pauseSchedule(world.directory(), { id: "a", paused: true });
    await pauseSchedule(world.directory(), { id: "a", paused: false });
    expect(await see(world, "a")).toMatchObject({ failuresInRow: 0 });
    for (let i = 0; i < 120; i++) {
      await world.pass(1_000);
      await endOldest(world, "failed");
    }
    expect(await see(world, "a")).toMatchObject({ failuresInRow: 120 });
    await world.pass(1_000);
    await endOldest(world, "succeeded");
    expect(await see(world, "a")).toMatchObject({ failuresInRow: 0 });
    await world.pass(1_000);
    await endOldest(world, "failed");
    expect(await see(world, "a")).toMatchObject({ failuresInRow: 1 });
    expect(world.rows("default", "SELECT * FROM fire")).toHaveLength(100);
  });

  it("338 340 a success that comes late ends those before it, and none of those after", async () => {
    const world = await worldOf({});
    await world.pass(10_000);
    const slow = begin(world.shard());
    for (let i = 0; i < 3; i++) {
      await world.pass(10_000);
      await endOldest(world, "failed");
    }
    slow?.end("succeeded");
    await world.settle();
    expect(await see(world, "a")).toMatchObject({ failuresInRow: 3 });
  });

  it("338 340 a success is known for as long as a fire before it has not ended", async () => {
    const world = await worldOf({ timing: { kind: "every", everySeconds: 1 } });
    await world.pass(1_000);
    const slow = begin(world.shard());
    await world.pass(1_000);
    await endOldest(world, "succeeded");
    await world.pass(150_000);
    slow?.end("failed");
    await world.settle();
    expect(await see(world, "a")).toMatchObject({ failuresInRow: 0, lastStatus: "SUCCEEDED" });
  });

  it("338 the end of a fire that is past makes no row more", async () => {
    const world = await worldOf({ timing: { kind: "every", everySeconds: 1 } });
    await world.pass(1_000);
    const slow = begin(world.shard());
    for (let i = 0; i < 110; i++) {
      await world.pass(1_000);
      await endOldest(world, "succeeded");
    }
    expect(await fires(world)).toHaveLength(100);
    expect(world.rows("default", "SELECT * FROM fire")).toHaveLength(101);
    slow?.end("failed");
    await world.settle();
    expect(await see(world, "a")).toMatchObject({ failuresInRow: 0 });
    expect(world.rows("default", "SELECT * FROM fire")).toHaveLength(100);
  });
});
