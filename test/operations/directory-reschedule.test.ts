/** What a schedule that is changed between two fires fires next, and what it does not fire again. */
import { describe, expect, it } from "vitest";
import type { ScheduleDefinition, ScheduleRecord } from "../../core/schema/schedule-rpc.ts";
import { listFires } from "../../durable-objects/directory/schedules/read-schedules.ts";
import { patchSchedule, pauseSchedule } from "../../durable-objects/directory/schedules/save-schedule.ts";
import { DirectoryWorld, START } from "../support/node/directory-world.ts";
import { add, at, cron, every, see } from "../support/node/schedules.ts";

const DAY = 86_400_000;

async function patch(world: DirectoryWorld, change: Partial<ScheduleDefinition>): Promise<ScheduleRecord> {
  const answer = await patchSchedule(world.directory(), { id: "a", patch: change, paused: null });
  if (!answer.ok) throw new Error(`${answer.code}: ${answer.detail}`);
  return answer.schedule;
}
const pause = (world: DirectoryWorld, paused: boolean) => pauseSchedule(world.directory(), { id: "a", paused });
/** When each fire was submitted, in seconds from the start. */
const submitted = (world: DirectoryWorld) => world.tasks().map(({ created_at }) => (created_at - START) / 1_000);
async function fireTimes(world: DirectoryWorld): Promise<number[]> {
  const answer = await listFires(world.directory(), { id: "a", before: null, limit: 100 });
  return answer.ok ? answer.fires.map(({ fireAt }) => (fireAt - START) / 1_000).reverse() : [];
}

describe("346 a moment that is told again", () => {
  it("346 one in the past fires at once, and anew, though it had fired before", async () => {
    const world = new DirectoryWorld();
    await add(world, "a", at(START + 1_000));
    await world.pass(5_000);
    await patch(world, { timing: { kind: "at", at: START + 60_000 } });
    expect(await patch(world, { timing: { kind: "at", at: START + 1_000 } })).toMatchObject({ nextAt: START + 5_000 });
    await world.pass(1);
    expect(submitted(world)).toEqual([1, 5]);
    expect(await fireTimes(world)).toEqual([1, 5]);
    const { lastTaskId, fires } = await see(world, "a");
    expect([lastTaskId, fires]).toEqual([(await latestFire(world))?.made, 2]);
    // The same one told once more is no other.
    await patch(world, { timing: { kind: "at", at: START + 1_000 } });
    await world.pass(DAY);
    expect(submitted(world)).toEqual([1, 5]);
  });

  it("346 one that was moved away and back before it came fires once, at its time", async () => {
    const world = new DirectoryWorld();
    await add(world, "a", at(START + 60_000));
    await patch(world, { timing: { kind: "at", at: START + 90_000 } });
    await patch(world, { timing: { kind: "at", at: START + 60_000 } });
    await world.pass(DAY);
    expect(submitted(world)).toEqual([60]);
  });

  it.each(["skip", "once", "all"] as const)("346 one in the past is not missed, whatever %s says", async (missed) => {
    const world = new DirectoryWorld();
    await add(world, "a", at(START - 7 * DAY, { missed }));
    await world.pass(1);
    expect(await see(world, "a")).toMatchObject({ fires: 1, missedCount: 0, nextAt: null, lastFireAt: START });
  });
});

async function latestFire(world: DirectoryWorld) {
  const answer = await listFires(world.directory(), { id: "a", before: null, limit: 1 });
  return answer.ok ? answer.fires[0] : undefined;
}

describe("347 jitter, start and end are changed", () => {
  it("347 everySeconds counts on from where it did, whatever is changed beside it", async () => {
    const world = new DirectoryWorld();
    await add(world, "a", every(60));
    await world.pass(90_000);
    expect(await patch(world, { endAt: START + DAY })).toMatchObject({ nextAt: START + 120_000 });
    expect(await patch(world, { jitterSeconds: 20 })).toMatchObject({ endAt: START + DAY });
    expect(await patch(world, { jitterSeconds: null, endAt: null })).toMatchObject({ nextAt: START + 120_000 });
    // A start of its own is a start.
    expect(await patch(world, { startAt: START + 100_000 })).toMatchObject({ nextAt: START + 100_000 });
    expect(await patch(world, { timing: { kind: "every", everySeconds: 7 }, startAt: null })).toMatchObject({
      nextAt: START + 97_000,
    });
  });

  it.each([
    ["cron", cron("0 12 * * *", { jitterSeconds: 3_600 })],
    ["everySeconds", every(86_400, { startAt: START + 7_200_000, jitterSeconds: 3_600 })],
  ])(
    "347 of %s a moment that has come and not fired yet fires once, at once where its time is over",
    async (_, told) => {
      const world = new DirectoryWorld();
      const { nextAt } = await add(world, "a", told);
      const late = (nextAt ?? 0) - START - 7_200_000;
      expect(late).toBeGreaterThan(100_000);
      await world.pass(7_200_000 + 90_000);
      expect(await patch(world, { jitterSeconds: 1 })).toMatchObject({ nextAt: world.now });
      await world.pass(0);
      expect(submitted(world)).toEqual([7_290]);
      expect(await see(world, "a")).toMatchObject({ missedCount: 0 });
      // By the old jitter its fire would be ahead again.
      expect((await patch(world, { jitterSeconds: 3_600 })).nextAt).toBeGreaterThan(START + DAY);
      await pause(world, true);
      await pause(world, false);
      expect((await see(world, "a")).nextAt).toBeGreaterThan(START + DAY);
      await world.pass(7_000_000);
      expect(submitted(world)).toEqual([7_290]);
    },
  );

  it("347 of a moment of its own too", async () => {
    const world = new DirectoryWorld();
    await add(world, "a", at(START + 10_000, { jitterSeconds: 86_400 }));
    await world.pass(20_000);
    await patch(world, { jitterSeconds: null });
    await world.pass(0);
    expect(submitted(world)).toEqual([20]);
    expect(await patch(world, { jitterSeconds: 86_400 })).toMatchObject({ nextAt: null });
    await world.pass(DAY);
    expect(submitted(world)).toEqual([20]);
  });

  it("347 a start of cron does not begin it anew; one that leaves no fire before the end is refused", async () => {
    const world = new DirectoryWorld();
    await add(world, "a", cron("0 12 * * *", { jitterSeconds: 3_600, endAt: START + DAY + 7_300_000 }));
    const { nextAt } = await see(world, "a");
    await world.pass(7_200_000 + 1_000);
    expect(nextAt).toBeGreaterThan(world.now);
    expect(await patch(world, { startAt: START - DAY })).toMatchObject({ nextAt });
    const startAt = START + DAY + 7_250_000;
    expect(await patchSchedule(world.directory(), { id: "a", patch: { startAt }, paused: null })).toMatchObject({
      code: "invalid-request",
      pointer: "/endAt",
    });
  });

  it("347 what is over is not resumed by a change of its jitter", async () => {
    const world = new DirectoryWorld();
    await add(world, "a", at(START + 1_000));
    await pause(world, true);
    await world.pass(5_000);
    expect(await patch(world, { jitterSeconds: 2 })).toMatchObject({ paused: true, nextAt: null });
    const resumed = { id: "a", patch: { jitterSeconds: 3 }, paused: false };
    expect(await patchSchedule(world.directory(), resumed)).toMatchObject({ code: "schedule-finished" });
  });

  it("347 an earlier start of cron makes up for nothing, a later one holds it back", async () => {
    const world = new DirectoryWorld();
    await add(world, "a", cron("* * * * *", { startAt: START + DAY, missed: "all", jitterSeconds: 50 }));
    await world.pass(600_500);
    const { nextAt } = await patch(world, { startAt: null });
    expect(nextAt).toBeGreaterThanOrEqual(START + 660_000);
    expect(nextAt).toBeLessThan(START + 711_000);
    expect((await patch(world, { startAt: START + DAY })).nextAt).toBeGreaterThanOrEqual(START + DAY);
    expect(submitted(world)).toEqual([]);
  });

  it("347 an end that leaves no fire is refused; a later one lets a finished schedule go on, in step", async () => {
    const world = new DirectoryWorld();
    await add(world, "a", every(60, { endAt: START + 90_000 }));
    const change = (endAt: number) => patchSchedule(world.directory(), { id: "a", patch: { endAt }, paused: null });
    expect(await change(START + 60_000)).toMatchObject({ code: "invalid-request", pointer: "/endAt" });
    await world.pass(200_000);
    expect(await see(world, "a")).toMatchObject({ nextAt: null, fires: 1 });
    expect(await change(START + 95_000)).toMatchObject({ code: "invalid-request", pointer: "/endAt" });
    expect(await change(START + DAY)).toMatchObject({ schedule: { nextAt: START + 240_000, missedCount: 0 } });
    expect(await patch(world, { jitterSeconds: 5 })).toMatchObject({ jitterSeconds: 5 });
    await pause(world, true);
    expect(await change(START + 200_000)).toMatchObject({ code: "invalid-request", pointer: "/endAt" });
  });
});
