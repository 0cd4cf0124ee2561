/** Overlap where something is lost, late, or changed between a fire's being due and its decision. */
import { describe, expect, it } from "vitest";
import type { ScheduleDefinition } from "../../core/schema/schedule-rpc.ts";
import { fireEnded } from "../../durable-objects/directory/fires/end-fires.ts";
import { patchSchedule, pauseSchedule } from "../../durable-objects/directory/schedules/save-schedule.ts";
import { type Call, DirectoryWorld, START } from "../support/node/directory-world.ts";
import { endOldest } from "../support/node/end-tasks.ts";
import { add, every, fires, see, told } from "../support/node/schedules.ts";
import type { Fault } from "../support/node/shard-for-directory.ts";

async function worldOf(more: Partial<ScheduleDefinition>): Promise<DirectoryWorld> {
  const world = new DirectoryWorld();
  await add(world, "a", every(10, more));
  return world;
}

/** Submissions meet `fault` between two moments (seconds from the start); the one that is asked for settings does not. */
function between(world: DirectoryWorld, from: number, to: number, fault: Fault): void {
  let submits = 0;
  world.faultOfCall = ({ method, at }: Call) => {
    if (method !== "submit" || ++submits === 1) return null;
    return at >= START + from * 1_000 && at < START + to * 1_000 ? fault : null;
  };
}

describe("336 a fire that is heard of late", () => {
  it("336 is cancelled then, where a later one has begun meanwhile", async () => {
    const world = await worldOf({ overlap: "cancel-running" });
    between(world, 10, 20, "lose");
    await world.pass(23_000);
    expect(await told(world)).toEqual(["10 PENDING", "20 FIRED"]);
    await world.pass(2_000);
    expect(await told(world)).toEqual(["10 CANCELLED", "20 FIRED"]);
  });

  it("336 337 one that ended and did not tell is written down as it ended", async () => {
    const world = await worldOf({ overlap: "cancel-running" });
    await world.pass(10_000);
    world.endsFault = "throw";
    await endOldest(world, "succeeded");
    await world.pass(10_000);
    expect(await told(world)).toEqual(["10 SUCCEEDED", "20 FIRED"]);
  });
});

describe("335 what waits", () => {
  it("335 is the latest of several that are due at once; the first goes, those between are left out", async () => {
    const world = await worldOf({ overlap: "queue-one", missed: "all" });
    world.stand(65_000);
    await world.evict();
    await world.pass(0);
    expect(await told(world)).toEqual(["10 FIRED", "20 SKIPPED", "60 PENDING"]);
    await endOldest(world, "succeeded");
    await world.pass(0);
    expect(await told(world)).toEqual(["10 SUCCEEDED", "20 SKIPPED", "60 FIRED"]);
    expect(await see(world, "a")).toMatchObject({ fires: 2, skippedCount: 4, missedCount: 0 });
  });

  it("335 goes when the one before it turns out not to be there", async () => {
    const world = await worldOf({ overlap: "queue-one" });
    let submits = 0;
    world.faultOfCall = ({ method, at }) => {
      if (method !== "submit" || ++submits === 1) return null;
      if (at < START + 20_000) return "throw";
      return at < START + 24_500 && submits < 6 ? { v: 1, ok: false, code: "queue-full", detail: "full" } : null;
    };
    await world.pass(23_000);
    expect(await told(world)).toEqual(["10 PENDING", "20 PENDING"]);
    await world.pass(2_000);
    expect((await told(world))[0]).toBe("10 MISSED");
    await world.pass(3_000);
    expect(await told(world)).toEqual(["10 MISSED", "20 FIRED"]);
  });

  it("337 is looked after though its time to be tried in is over", async () => {
    const world = await worldOf({ overlap: "queue-one" });
    await world.pass(25_000);
    const patch = { timing: { kind: "every", everySeconds: 86_400 } } as const;
    await patchSchedule(world.directory(), { id: "a", patch, paused: null });
    world.endsFault = "throw";
    await endOldest(world, "succeeded");
    await world.pass(3_600_000);
    expect(await told(world)).toEqual(["10 SUCCEEDED", "20 FIRED"]);
  });

  it("335 350 is on time for a minute from its release, however long it waited and soon the next one is due", async () => {
    const world = await worldOf({ overlap: "queue-one", timing: { kind: "every", everySeconds: 300 } });
    await world.pass(899_999);
    world.stand(1);
    await endOldest(world, "succeeded");
    await world.pass(0);
    expect(await told(world)).toEqual(["300 SUCCEEDED", "600 FIRED", "900 PENDING"]);
    // And also where the object was away meanwhile.
    await world.pass(299_999);
    world.stand(1);
    await endOldest(world, "succeeded");
    world.stand(50_000);
    await world.evict();
    await world.pass(0);
    expect(await told(world)).toEqual(["300 SUCCEEDED", "600 SUCCEEDED", "900 FIRED", "1200 PENDING"]);
    expect(await see(world, "a")).toMatchObject({ fires: 3, missedCount: 0 });
  });

  it("340 is missed where the end that it waited for pauses the schedule", async () => {
    const world = await worldOf({ overlap: "queue-one", disableAfter: 1 });
    await world.pass(25_000);
    await endOldest(world, "failed");
    await world.pass(60_000);
    expect(await told(world)).toEqual(["10 FAILED", "20 MISSED"]);
  });
});

describe("175 a pause while it is asked how the earlier one stands", () => {
  it("175 334 nothing fires then", async () => {
    const world = await worldOf({ overlap: "skip" });
    await world.pass(10_000);
    world.faultOfCall = ({ method }) => (method === "read" ? "hang" : null);
    await world.pass(11_000);
    await pauseSchedule(world.directory(), { id: "a", paused: true });
    await endOldest(world, "succeeded");
    await world.pass(60_000);
    expect(await told(world)).toEqual(["10 SUCCEEDED", "20 MISSED"]);
  });
});

describe("340 a schedule that is paused already", () => {
  it("340 is told once, however many fail afterwards", async () => {
    const world = await worldOf({ disableAfter: 2 });
    await world.pass(30_000);
    for (let i = 0; i < 3; i++) await endOldest(world, "failed");
    const [latest] = await fires(world);
    if (!latest?.made) throw new Error("something was fired");
    const end = {
      schedule: "a",
      fireAt: latest.fireAt,
      made: latest.made,
      endedAt: world.now + 1,
      error: null,
    } as const;
    await fireEnded(world.directory(), { v: 1, ends: [{ ...end, status: "FAILED" }] });
    expect(await see(world, "a")).toMatchObject({ paused: true, failuresInRow: 3 });
    expect(world.rows("default", "SELECT * FROM event WHERE kind = 'schedule-stopped'")).toHaveLength(1);
  });
});

describe("177 332 another jitter", () => {
  it("332 is another time, worked out anew; the same one is not", async () => {
    const world = await worldOf({ jitterSeconds: 9 });
    const { nextAt } = await see(world, "a");
    const set = async (jitterSeconds: number | null) => {
      await patchSchedule(world.directory(), { id: "a", patch: { jitterSeconds }, paused: null });
      return (await see(world, "a")).nextAt;
    };
    expect(await set(9)).toBe(nextAt);
    expect(await set(null)).toBe(START + 10_000);
    expect(nextAt).not.toBe(START + 10_000);
  });
});
