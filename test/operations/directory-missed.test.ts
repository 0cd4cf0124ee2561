import { describe, expect, it } from "vitest";
import type { QueueName } from "../../core/ids.ts";
import type { MissedPolicy } from "../../core/schedule.ts";
import { changeQueue } from "../../durable-objects/directory/queues/change-queue.ts";
import { listQueues } from "../../durable-objects/directory/queues/list-queues.ts";
import { listFires } from "../../durable-objects/directory/schedules/read-schedules.ts";
import { pauseSchedule } from "../../durable-objects/directory/schedules/save-schedule.ts";
import { tick } from "../../durable-objects/directory/tick.ts";
import { DirectoryWorld, START } from "../support/node/directory-world.ts";
import { add, at, cron, every, see } from "../support/node/schedules.ts";

/** Stands still for `ms` as if the machine were off, then starts again. */
async function away(world: DirectoryWorld, ms: number): Promise<void> {
  world.stand(ms);
  await world.evict();
  await world.pass(0);
  await world.settle();
}
const fired = (world: DirectoryWorld) =>
  world.rows<{ key: string }>("default:default:0", "SELECT key FROM dedup ORDER BY length(key), key").map((row) => {
    return (Number(row.key.split(":")[2]) - START) / 1_000;
  });

describe("173 fires that were missed while the service was away", () => {
  it.each<[MissedPolicy, number[], number]>([
    ["skip", [], 5],
    ["once", [300], 4],
    ["all", [60, 120, 180, 240, 300], 0],
  ])("E1 338 %s: of five the moments %j are made up for, %i are missed", async (missed, moments, count) => {
    const world = new DirectoryWorld();
    await add(world, "a", every(60, { missed, endAt: START + 301_000 }));
    await away(world, 600_000);
    if (moments.length > 0) expect(fired(world)).toEqual(moments);
    else expect(world.tasks()).toEqual([]);
    expect(await see(world, "a")).toMatchObject({ fires: moments.length, missedCount: count, nextAt: null });
    const events = world.rows("default", "SELECT * FROM event WHERE kind = 'fire-missed'");
    expect(events).toHaveLength(count > 0 ? 1 : 0);
    const told = await listFires(world.directory(), { id: "a", before: null, limit: 100 });
    expect(told.ok && told.fires.filter(({ status }) => status === "MISSED")).toMatchObject(
      count > 0 ? [{ fireAt: START + 60_000, count }] : [],
    );
  });

  it("goes on in step afterwards", async () => {
    const world = new DirectoryWorld();
    await add(world, "a", every(60, { missed: "once" }));
    await away(world, 1_234_567);
    expect(await see(world, "a")).toMatchObject({ nextAt: START + 1_260_000, fires: 1, missedCount: 19 });
  });

  it("a fire that is late by less than a minute is not missed", async () => {
    const world = new DirectoryWorld();
    await add(world, "a", at(START + 1_000, { missed: "skip" }));
    await away(world, 61_000);
    expect(await see(world, "a")).toMatchObject({ fires: 1, missedCount: 0 });
  });

  it("all: the latest hundred are made up for, the rest counted and told", async () => {
    const world = new DirectoryWorld();
    await add(world, "a", cron("* * * * *", { missed: "all" }));
    await away(world, 240 * 60_000);
    await world.pass(1_000);
    expect(fired(world)).toEqual(Array.from({ length: 100 }, (_, i) => (141 + i) * 60));
    expect(await see(world, "a")).toMatchObject({ fires: 100, missedCount: 140 });
    expect(world.rows<{ detail: string }>("default", "SELECT detail FROM event WHERE kind = 'fire-missed'")).toEqual([
      { detail: "a: 140 fires were missed, the first of 2026-05-01T10:01:00.000Z (policy all)" },
    ]);
  });

  it("a week of seconds away costs no more than a thousand of them", async () => {
    const world = new DirectoryWorld();
    await add(world, "a", cron("* * * * * *", { missed: "once" }));
    await away(world, 7 * 86_400_000);
    expect(await see(world, "a")).toMatchObject({ fires: 1, lastFireAt: START + 7 * 86_400_000 });
    expect(
      world.rows<{ detail: string }>("default", "SELECT detail FROM event WHERE kind = 'fire-missed'")[0]?.detail,
    ).toBe("a: at least 999 fires were missed, the first of 2026-05-01T10:00:01.000Z (policy once)");
  });

  it("many schedules catch up over several alarms, and all of them do", async () => {
    const world = new DirectoryWorld();
    for (let i = 0; i < 30; i++) await add(world, `s${i}`, every(60, { missed: "all", endAt: START + 601_000 }));
    await away(world, 3_600_000);
    await world.pass(10_000);
    expect(world.tasks()).toHaveLength(300);
  });
});

describe("170 an alarm that was lost", () => {
  it("is set again when the object starts", async () => {
    const world = new DirectoryWorld();
    await add(world, "a", every(60));
    world.loseAlarm();
    await world.evict();
    await world.pass(60_000);
    expect(world.tasks()).toHaveLength(1);
  });

  it("is noticed by the tick", async () => {
    const world = new DirectoryWorld();
    await add(world, "a", every(60));
    world.loseAlarm();
    await tick(world.directory());
    await world.pass(60_000);
    expect(world.tasks()).toHaveLength(1);
  });

  it("is noticed by any question, once it should have come", async () => {
    const world = new DirectoryWorld();
    await add(world, "a", every(60));
    world.loseAlarm();
    world.stand(66_000);
    await listQueues(world.directory());
    await world.pass(0);
    expect(world.tasks()).toHaveLength(1);
  });

  it("the tick fires what is due without it", async () => {
    const world = new DirectoryWorld();
    await add(world, "a", every(60));
    world.loseAlarm();
    world.stand(60_500);
    await tick(world.directory());
    await world.settle();
    expect(world.tasks()).toHaveLength(1);
  });
});

describe("170 two ticks that race", () => {
  it("170 345 submit a fire once, of one object and of one that was made anew meanwhile", async () => {
    const world = new DirectoryWorld();
    await add(world, "a", every(60));
    world.loseAlarm();
    world.stand(60_500);
    await Promise.all([tick(world.directory()), tick(world.directory())]);
    await world.settle();
    expect(world.tasks()).toHaveLength(1);
    const before = world.directory();
    world.loseAlarm();
    world.stand(60_000);
    const after = await world.evict();
    await Promise.all([tick(before), tick(after), tick(before)]);
    await world.pass(5_000);
    expect(world.tasks()).toHaveLength(2);
    expect(await see(world, "a")).toMatchObject({ fires: 2, missedCount: 0 });
  });
});

describe("178 a schedule that can't be worked out", () => {
  it("is paused and told, and holds no other back", async () => {
    const world = new DirectoryWorld();
    await add(world, "bad", cron("0 * * * *"));
    await add(world, "good", cron("0 * * * *"));
    const timing = JSON.stringify({ kind: "cron", cron: "0 * * * *", timezone: "Europe/Atlantis" });
    world.directory().sql.run("UPDATE schedule SET timing = ? WHERE id = 'bad'", timing);
    await world.pass(3_600_000);
    expect(world.tasks()).toHaveLength(1);
    expect(await see(world, "bad")).toMatchObject({ paused: true, nextAt: null });
    const pause = (paused: boolean) => pauseSchedule(world.directory(), { id: "bad", paused });
    expect(await pause(true)).toMatchObject({ ok: true });
    expect(await pause(false)).toMatchObject({ ok: false, code: "invalid-request", pointer: "/timezone" });
    expect(
      world.rows<{ detail: string }>("default", "SELECT detail FROM event WHERE kind = 'schedule-stopped'"),
    ).toEqual([{ detail: expect.stringContaining("Europe/Atlantis") }]);
  });
});

describe("342 an outage of three hours", () => {
  it.each<[MissedPolicy, "every" | "cron", number]>([
    ["skip", "every", 0],
    ["once", "every", 1],
    ["all", "every", 3],
    ["skip", "cron", 0],
    ["once", "cron", 1],
    ["all", "cron", 3],
  ])("342 under %s an hourly %s makes up for %i of its three fires", async (missed, kind, made) => {
    const world = new DirectoryWorld();
    await add(world, "a", kind === "every" ? every(3_600, { missed }) : cron("0 * * * *", { missed }));
    await away(world, 3 * 3_600_000 + 120_000);
    expect(world.tasks()).toHaveLength(made);
    const seen = await see(world, "a");
    expect(seen).toMatchObject({ fires: made, missedCount: 3 - made, nextAt: START + 4 * 3_600_000 });
    const fires = await listFires(world.directory(), { id: "a", before: null, limit: 100 });
    const counts = fires.ok ? fires.fires.map(({ status, count }) => `${count} ${status}`).reverse() : [];
    const missedRow = made === 3 ? [] : [`${3 - made} MISSED`];
    expect(counts).toEqual([...missedRow, ...Array.from({ length: made }, () => "1 FIRED")]);
    await world.pass(3_600_000);
    expect(await see(world, "a")).toMatchObject({ fires: made + 1, missedCount: 3 - made });
  });
});

describe("345 ten thousand schedules of one moment", () => {
  it("345 fire by a hundred an alarm, all of them, and other work goes on between", { timeout: 120_000 }, async () => {
    const world = new DirectoryWorld();
    const queue = "default" as QueueName;
    await changeQueue(world.directory(), { queue, patch: { depthLimit: 20_000 }, replace: true, create: true });
    const moment = START + 60_000;
    for (let i = 0; i < 10_000; i++) await add(world, `s${i}`, at(moment));
    world.alarmsSet = 0;
    await world.pass(59_999);
    expect(world.tasks()).toHaveLength(0);
    const answered: number[] = [];
    // Each question is asked when some have fired and others have not.
    const ask = async () => {
      await listQueues(world.directory());
      await changeQueue(world.directory(), {
        queue,
        patch: { slots: 1 + (answered.length % 5) },
        replace: false,
        create: false,
      });
      answered.push(world.tasks().length);
    };
    world.faultOfCall = ({ method }) => {
      if (method === "submit" && world.countCalls("submit") % 20 === 0) void ask();
      return null;
    };
    await world.pass(1);
    await world.pass(1_000);
    world.faultOfCall = () => null;
    expect(world.tasks()).toHaveLength(10_000);
    const [waiting] = world.rows<{ n: number }>("default", "SELECT count(*) AS n FROM pending");
    expect(waiting?.n).toBe(0);
    expect(world.countCalls("submit")).toBeLessThanOrEqual(110);
    expect(answered.filter((n) => n > 0 && n < 10_000).length, "asked in between").toBeGreaterThan(2);
  });
});
