import { describe, expect, it } from "vitest";
import type { QueueName } from "../../core/ids.ts";
import type { ScheduleDefinition } from "../../core/schema/schedule-rpc.ts";
import { deleteSchedule } from "../../durable-objects/directory/schedules/delete-schedule.ts";
import {
  getSchedule,
  listSchedules,
  previewSchedule,
} from "../../durable-objects/directory/schedules/read-schedules.ts";
import {
  createSchedule,
  patchSchedule,
  pauseSchedule,
  putSchedule,
} from "../../durable-objects/directory/schedules/save-schedule.ts";
import { DirectoryWorld, START } from "../support/node/directory-world.ts";
import { add, at, cron, every, see } from "../support/node/schedules.ts";

const YEAR = 365 * 86_400_000;

const put = (world: DirectoryWorld, id: string, definition: ScheduleDefinition, paused: boolean | null = null) =>
  putSchedule(world.directory(), { id, definition, paused });
const patch = (world: DirectoryWorld, id: string, change: Partial<ScheduleDefinition>, paused: boolean | null = null) =>
  patchSchedule(world.directory(), { id, patch: change, paused });
const pause = (world: DirectoryWorld, id: string, paused: boolean) => pauseSchedule(world.directory(), { id, paused });

describe("making, changing and ending schedules", () => {
  it("E1 169 one is made with a name of its own or a given one, and reads back whole", async () => {
    const world = new DirectoryWorld();
    const told = cron(
      "0 9 * * MON",
      { payload: '{"x":"ü"}', options: '{"timeoutMs":5}', priority: 9 },
      "Europe/Vienna",
    );
    const named = await createSchedule(world.directory(), { id: "weekly", definition: told, paused: false });
    expect(named).toMatchObject({
      ok: true,
      schedule: { id: "weekly", ...told, paused: false, nextAt: Date.parse("2026-05-04T07:00:00Z"), fires: 0 },
    });
    const unnamed = await createSchedule(world.directory(), { id: null, definition: told, paused: false });
    expect(unnamed).toMatchObject({ ok: true, schedule: { id: "uuid-1" } });
    expect(await getSchedule(world.directory(), { id: "weekly" })).toEqual(named);
  });

  it("169 an id is taken once", async () => {
    const world = new DirectoryWorld();
    await add(world, "a", every(60));
    expect(await createSchedule(world.directory(), { id: "a", definition: every(5), paused: false })).toMatchObject({
      code: "schedule-exists",
    });
    expect(await see(world, "a")).toMatchObject({ timing: { everySeconds: 60 } });
  });

  it.each([
    ["/cron", cron("61 * * * *")],
    ["/cron", cron("0 0 30 2 *")],
    ["/timezone", cron("0 0 * * *", {}, "Mars/Olympus")],
    ["/everySeconds", every(0)],
    ["/everySeconds", every(1.5)],
    ["/startAt", at(START, { startAt: START })],
    ["/endAt", at(START, { endAt: START })],
    ["/endAt", every(60, { startAt: START + 10, endAt: START + 10 })],
    ["/endAt", every(60, { endAt: START + 60_000 })],
    ["/queue", every(60, { queue: "typo" as QueueName })],
  ])("169 what could not be kept or would never fire is refused at %s", async (pointer, told) => {
    const world = new DirectoryWorld();
    const refused = await createSchedule(world.directory(), { id: "a", definition: told, paused: false });
    expect(refused).toMatchObject({ ok: false, pointer });
    expect(await getSchedule(world.directory(), { id: "a" })).toMatchObject({ code: "schedule-unknown" });
    expect(world.rows("default", "SELECT name FROM sqlite_master")).toEqual([]);
  });

  it("177 the same PUT again neither shifts everySeconds nor loses counts", async () => {
    const world = new DirectoryWorld();
    expect(await put(world, "a", every(60))).toMatchObject({ created: true });
    await world.pass(90_000);
    expect(await put(world, "a", every(60, { payload: '{"n":2}' }))).toMatchObject({
      created: false,
      schedule: { nextAt: START + 120_000, fires: 1, payload: '{"n":2}' },
    });
    expect(await put(world, "a", every(30))).toMatchObject({ schedule: { nextAt: START + 120_000, fires: 1 } });
    expect(await put(world, "a", every(10))).toMatchObject({ schedule: { nextAt: START + 100_000 } });
  });

  it("177 the same PUT again and a PATCH of nothing change nothing, not even updatedAt", async () => {
    const world = new DirectoryWorld();
    const told = cron("0 9 * * *", { options: '{"timeoutMs":5}', queue: "default" as QueueName });
    await put(world, "a", told);
    await world.pass(90_000);
    const before = await see(world, "a");
    expect(before.updatedAt).toBe(START);
    expect(await put(world, "a", told)).toMatchObject({ created: false, schedule: before });
    expect(await patch(world, "a", {})).toMatchObject({ schedule: before });
    expect(await pause(world, "a", false)).toMatchObject({ schedule: before });
    const changes = [
      { payload: "2" },
      { options: null },
      { queue: null },
      { priority: 1 },
      { missed: "skip" },
    ] as const;
    for (const change of changes) {
      await world.pass(1_000);
      expect(await patch(world, "a", change)).toMatchObject({ schedule: { ...change, updatedAt: world.now } });
    }
  });

  it("PUT keeps a pause that it does not name", async () => {
    const world = new DirectoryWorld();
    await put(world, "a", every(60), true);
    expect(await put(world, "a", every(10))).toMatchObject({ schedule: { paused: true, nextAt: null } });
    expect(await put(world, "a", every(10), false)).toMatchObject({
      schedule: { paused: false, nextAt: START + 10_000 },
    });
  });

  it("177 PATCH changes what it names; other timing is begun anew", async () => {
    const world = new DirectoryWorld();
    await add(world, "a", every(60));
    await world.pass(30_000);
    expect(await patch(world, "a", { priority: 9 })).toMatchObject({
      schedule: { priority: 9, nextAt: START + 60_000, type: "echo", payload: '{"n":1}' },
    });
    expect(await patch(world, "a", { timing: { kind: "every", everySeconds: 5 } })).toMatchObject({
      schedule: { nextAt: START + 35_000 },
    });
    expect(await patch(world, "none", {})).toMatchObject({ code: "schedule-unknown" });
    expect(await patch(world, "a", { timing: { kind: "cron", cron: "x", timezone: "UTC" } })).toMatchObject({
      code: "invalid-request",
    });
  });

  it("169 the list is by id, a page at a time", async () => {
    const world = new DirectoryWorld();
    for (const id of ["c", "a", "b"]) await add(world, id, every(60));
    const first = await listSchedules(world.directory(), { after: null, limit: 2 });
    expect(first).toMatchObject({ schedules: [{ id: "a" }, { id: "b" }], next: "b" });
    expect(await listSchedules(world.directory(), { after: "b", limit: 2 })).toMatchObject({
      schedules: [{ id: "c" }],
      next: null,
    });
  });

  it("a page is cut by bytes too", async () => {
    const world = new DirectoryWorld();
    const payload = JSON.stringify("x".repeat(255 * 1024));
    for (let i = 0; i < 40; i++) await add(world, `s${i + 10}`, every(60, { payload }));
    const first = await listSchedules(world.directory(), { after: null, limit: 100 });
    expect(first).toMatchObject({ ok: true, next: "s42" });
    expect(await listSchedules(world.directory(), { after: "s42", limit: 100 })).toMatchObject({ next: null });
  });

  it("169 deleting ends it", async () => {
    const world = new DirectoryWorld();
    await add(world, "a", every(60));
    expect(await deleteSchedule(world.directory(), { id: "a" })).toMatchObject({ ok: true });
    expect(await deleteSchedule(world.directory(), { id: "a" })).toMatchObject({ code: "schedule-unknown" });
    await world.pass(600_000);
    expect(world.tasks()).toEqual([]);
    expect(world.alarmOf()).toBeNull();
  });

  it("E1 176 a preview shows the next fires, also of a paused one", async () => {
    const world = new DirectoryWorld();
    await add(world, "a", cron("0 12 * * *"));
    await pause(world, "a", true);
    expect(await previewSchedule(world.directory(), { id: "a", count: 2 })).toMatchObject({
      fires: [Date.parse("2026-05-01T12:00:00Z"), Date.parse("2026-05-02T12:00:00Z")],
    });
    expect(await previewSchedule(world.directory(), { id: "none", count: 2 })).toMatchObject({
      code: "schedule-unknown",
    });
  });
});

describe("175 pause and resume", () => {
  it("E1 a paused schedule does not fire, and nothing is made up for", async () => {
    const world = new DirectoryWorld();
    await add(world, "a", every(60, { missed: "all" }));
    expect(await pause(world, "a", true)).toMatchObject({ schedule: { paused: true, nextAt: null } });
    await world.pass(330_000);
    expect(await pause(world, "a", false)).toMatchObject({ schedule: { paused: false, nextAt: START + 360_000 } });
    await world.pass(60_000);
    expect(world.tasks()).toHaveLength(1);
    expect(await see(world, "a")).toMatchObject({ fires: 1, missedCount: 0 });
  });

  it("fires that waited are missed", async () => {
    const world = new DirectoryWorld();
    world.faults.set("default:", "throw");
    await add(world, "a", every(600));
    await world.pass(601_000);
    await pause(world, "a", true);
    world.faults.clear();
    await world.pass(3_600_000);
    expect(world.tasks()).toEqual([]);
    expect(await see(world, "a")).toMatchObject({ fires: 0, missedCount: 1, paused: true });
  });

  it("pausing twice is pausing once", async () => {
    const world = new DirectoryWorld();
    await add(world, "a", every(60));
    await pause(world, "a", true);
    expect(await pause(world, "a", true)).toMatchObject({ ok: true, schedule: { paused: true } });
    await pause(world, "a", false);
    expect(await pause(world, "a", false)).toMatchObject({ ok: true, schedule: { nextAt: START + 60_000 } });
  });

  it("175 a finished one can be neither paused nor resumed, but given another time", async () => {
    const world = new DirectoryWorld();
    await add(world, "a", at(START + 1_000));
    await world.pass(2_000);
    expect(await see(world, "a")).toMatchObject({ nextAt: null, fires: 1 });
    expect(await pause(world, "a", true)).toMatchObject({ code: "schedule-finished" });
    expect(await pause(world, "a", false)).toMatchObject({ code: "schedule-finished" });
    expect(await put(world, "a", at(START + 1_000), false)).toMatchObject({ ok: true, schedule: { nextAt: null } });
    expect(await put(world, "a", at(START + 1_000))).toMatchObject({ ok: true, schedule: { nextAt: null } });
    expect(await put(world, "a", at(START + 9_000))).toMatchObject({ schedule: { nextAt: START + 9_000 } });
    await world.pass(9_000);
    expect(world.tasks()).toHaveLength(2);
  });

  it.each([
    ["/at", at(START + 101 * YEAR)],
    ["/startAt", every(60, { startAt: START + 101 * YEAR })],
    ["/endAt", every(60, { endAt: Date.UTC(9999, 11, 31) })],
  ])("169 a time more than a hundred years ahead is refused: %s", async (pointer, told) => {
    const world = new DirectoryWorld();
    expect(await createSchedule(world.directory(), { id: "a", definition: told, paused: false })).toMatchObject({
      code: "invalid-request",
      pointer,
      detail: `${pointer.slice(1)} must be no more than 100 years from now`,
    });
  });

  it("170 one that is far ahead has an alarm that the platform can set, which sets the next", async () => {
    const world = new DirectoryWorld();
    await add(world, "a", at(START + 3 * YEAR));
    expect(world.alarmOf()).toBeLessThanOrEqual(START + YEAR);
    await world.pass(3 * YEAR);
    expect(await see(world, "a")).toMatchObject({ fires: 1, lastFireAt: START + 3 * YEAR });
  });

  it("a moment that passed in the pause is not made up for", async () => {
    const world = new DirectoryWorld();
    await add(world, "a", at(START + 1_000));
    await pause(world, "a", true);
    await world.pass(5_000);
    expect(await pause(world, "a", false)).toMatchObject({ code: "schedule-finished" });
    await world.pass(60_000);
    expect(world.tasks()).toEqual([]);
  });
});
