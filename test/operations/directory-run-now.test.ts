/** A schedule that is run now: one task more, once for each key, whatever is lost. */
import { describe, expect, it } from "vitest";
import type { QueueName } from "../../core/ids.ts";
import { changeQueue } from "../../durable-objects/directory/queues/change-queue.ts";
import { deleteSchedule } from "../../durable-objects/directory/schedules/delete-schedule.ts";
import { runSchedule } from "../../durable-objects/directory/schedules/run-schedule.ts";
import { pauseSchedule } from "../../durable-objects/directory/schedules/save-schedule.ts";
import { DirectoryWorld, START } from "../support/node/directory-world.ts";
import { add, every, see } from "../support/node/schedules.ts";

const times = (world: DirectoryWorld) => world.tasks().map((task) => task.created_at - START);
const runNow = (world: DirectoryWorld, id: string, key?: string) =>
  world.ask(runSchedule(world.directory(), { id, ...(key !== undefined && { key }) }));

describe("run-now", () => {
  it("E1 176 makes one task more at once, paused or not, and leaves the next fire", async () => {
    const world = new DirectoryWorld();
    await add(world, "a", every(600));
    const ran = await runNow(world, "a");
    expect(ran).toMatchObject({ ok: true, taskId: expect.stringMatching(/^default\.0\./) });
    await pauseSchedule(world.directory(), { id: "a", paused: true });
    expect(await runNow(world, "a")).toMatchObject({ ok: true });
    expect(times(world)).toEqual([0, 0]);
    expect(await see(world, "a")).toMatchObject({ fires: 0, lastFireAt: null });
    expect(await runNow(world, "none")).toMatchObject({ code: "schedule-unknown" });
  });

  it("176 a lost answer is asked for again, and makes no second task", async () => {
    const world = new DirectoryWorld();
    await add(world, "a", every(600));
    await runNow(world, "a");
    world.faults.set("default:", "lose");
    expect(await runNow(world, "a")).toMatchObject({ ok: false, code: "outcome-unknown" });
    expect(world.countCalls("submit")).toBe(4);
    expect(times(world)).toEqual([0, 0]);
  });

  it("176 under a key is one task of that schedule for 24 hours, whatever becomes of it; another schedule's is another", async () => {
    const world = new DirectoryWorld();
    await add(world, "a", every(86_400 * 30));
    await add(world, "b", every(86_400 * 30));
    const first = await runNow(world, "a", "k");
    expect(first).toMatchObject({ ok: true });
    expect(first).not.toHaveProperty("replayed");
    const taskId = first.ok ? first.taskId : null;
    await pauseSchedule(world.directory(), { id: "a", paused: true });
    world.stand(86_400_000 - 1);
    expect(await runNow(world, "a", "k")).toMatchObject({ ok: true, taskId, replayed: true });
    expect(times(world)).toEqual([0]);
    for (const other of [await runNow(world, "a", "l"), await runNow(world, "b", "k"), await runNow(world, "a")])
      expect(other).not.toHaveProperty("replayed");
    world.stand(1);
    const anew = await runNow(world, "a", "k");
    expect(anew).not.toHaveProperty("replayed");
    expect(anew.ok && anew.taskId).not.toBe(taskId);
    expect(times(world)).toHaveLength(5);
  });

  it("176 a key is of the schedule that there was: one that is made anew under its id runs", async () => {
    const world = new DirectoryWorld();
    await add(world, "a", every(600));
    await runNow(world, "a", "k");
    await deleteSchedule(world.directory(), { id: "a" });
    world.stand(1);
    await add(world, "a", every(600));
    expect(await runNow(world, "a", "k")).not.toHaveProperty("replayed");
    expect(await runNow(world, "a", "k")).toMatchObject({ replayed: true });
    expect(times(world)).toEqual([0, 1]);
  });

  it("176 204 under a key a lost answer is asked for again; where that is lost too, to ask once more is safe", async () => {
    const world = new DirectoryWorld();
    await add(world, "a", every(600));
    await runNow(world, "a");
    let lost = 1;
    world.faultOfCall = ({ method }) => (method === "submit" && lost-- > 0 ? "lose" : null);
    expect(await runNow(world, "a", "k")).toMatchObject({ ok: true });
    world.faults.set("default:", "lose");
    expect(await runNow(world, "a", "l")).toMatchObject({ ok: false, code: "unavailable" });
    world.faults.clear();
    expect(await runNow(world, "a", "l")).toMatchObject({ ok: true, replayed: true });
    expect(times(world)).toEqual([0, 0, 0]);
  });

  it("176 is refused as the shard refuses it", async () => {
    const world = new DirectoryWorld();
    const queue = "k" as QueueName;
    await changeQueue(world.directory(), { queue, patch: { depthLimit: 1 }, replace: true, create: true });
    await add(world, "a", every(600, { queue }));
    expect(await runNow(world, "a")).toMatchObject({ ok: true });
    expect(await runNow(world, "a")).toMatchObject({ ok: false, code: "queue-full" });
  });

  it("190 answers within 2 s where the shard is silent", async () => {
    const world = new DirectoryWorld();
    await add(world, "a", every(600));
    world.faults.set("default:", "hang");
    const answer = runSchedule(world.directory(), { id: "a" });
    await world.pass(2_000);
    expect(await answer).toMatchObject({ ok: false, code: "outcome-unknown" });
  });
});
