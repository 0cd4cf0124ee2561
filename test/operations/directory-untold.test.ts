/** Fires of which a word was lost: how they ended, or whether they were taken at all. */
import { describe, expect, it } from "vitest";
import { z } from "zod";
import type { QueueName } from "../../core/ids.ts";
import { handledType } from "../../core/make-task.ts";
import type { FireRecord, ScheduleDefinition } from "../../core/schema/schedule-rpc.ts";
import { askFires } from "../../durable-objects/directory/fires/ask-fires.ts";
import { takeDue } from "../../durable-objects/directory/fires/take-due.ts";
import { changeQueue } from "../../durable-objects/directory/queues/change-queue.ts";
import { listFires } from "../../durable-objects/directory/schedules/read-schedules.ts";
import { pauseSchedule } from "../../durable-objects/directory/schedules/save-schedule.ts";
import { DirectoryWorld, START } from "../support/node/directory-world.ts";
import { begin, endOldest } from "../support/node/end-tasks.ts";
import { add, at, every, see } from "../support/node/schedules.ts";
import { waitFor } from "../support/node/wait-for.ts";

async function fires(world: DirectoryWorld): Promise<readonly FireRecord[]> {
  const answer = await world.ask(listFires(world.directory(), { id: "a", before: null, limit: 100 }));
  if (!answer.ok) throw new Error(answer.detail);
  return answer.fires;
}
const told = async (world: DirectoryWorld) =>
  (await fires(world)).map(({ fireAt, status }) => `${(fireAt - START) / 1_000} ${status}`).reverse();
const pause = (world: DirectoryWorld, paused: boolean) => pauseSchedule(world.directory(), { id: "a", paused });
async function worldOf(definition: ScheduleDefinition): Promise<DirectoryWorld> {
  const world = new DirectoryWorld();
  await add(world, "a", definition);
  return world;
}

describe("348 an end that was told to nobody", () => {
  it.each(["allow", "skip"] as const)("348 is asked for when the history is read, with %s", async (overlap) => {
    const world = await worldOf(at(START + 10_000, { overlap }));
    await world.pass(10_000);
    world.endsFault = "throw";
    await endOldest(world, "failed");
    expect(await told(world), "it may be on its way").toEqual(["10 FIRED"]);
    await world.pass(61_000);
    expect(await told(world)).toEqual(["10 FAILED"]);
    expect(await see(world, "a")).toMatchObject({ lastStatus: "FAILED", failuresInRow: 1 });
  });

  it("348 what runs is asked after once a minute, however often the history is read", async () => {
    const world = await worldOf(at(START + 10_000));
    await world.pass(10_000);
    expect(begin(world.shard())).not.toBeNull();
    await world.pass(61_000);
    for (let i = 0; i < 5; i++) expect(await told(world)).toEqual(["10 FIRED"]);
    expect(world.countCalls("read")).toBe(1);
    await world.pass(61_000);
    await told(world);
    expect(world.countCalls("read")).toBe(2);
  });

  it("348 a shard that does not answer holds up the history for a second", async () => {
    const world = await worldOf(at(START + 10_000));
    await world.pass(10_000);
    world.endsFault = "throw";
    await endOldest(world, "failed");
    world.faults.set("default:", "hang");
    await world.pass(61_000);
    const asked = listFires(world.directory(), { id: "a", before: null, limit: 100 });
    await world.pass(1_000);
    expect(await asked).toMatchObject({ fires: [{ status: "FIRED" }] });
  });

  it("348 340 is asked for by the first fire of an hour, so the schedule is paused though nobody reads", async () => {
    const world = await worldOf(every(600, { disableAfter: 2 }));
    world.endsFault = "throw";
    for (let i = 0; i < 5; i++) {
      await world.pass(600_000);
      await endOldest(world, "failed");
    }
    expect(world.countCalls("read")).toBe(0);
    expect(await see(world, "a")).toMatchObject({ paused: false, failuresInRow: 0 });
    await world.pass(600_000);
    expect(await see(world, "a")).toMatchObject({ paused: true, failuresInRow: 5 });
  });
});

describe("349 a fire without an answer of a schedule that is paused", () => {
  const silent = async (definition: ScheduleDefinition, isTaken: boolean) => {
    const world = await worldOf(definition);
    await changeQueue(world.directory(), {
      queue: "default" as QueueName,
      patch: { depthLimit: 1 },
      replace: true,
      create: true,
    });
    // The first one is answered with a question for settings.
    let submits = 0;
    world.faultOfCall = ({ method }) => (method === "submit" && ++submits > 1 ? (isTaken ? "lose" : "throw") : null);
    await world.pass(10_500);
    world.faultOfCall = ({ method }) => (method === "trySubmit" ? "throw" : null);
    await pause(world, true);
    await world.pass(1_000);
    expect(await fires(world)).toMatchObject([
      { fireAt: START + 10_000, status: "PENDING", reason: "it was sent, and no answer has come yet" },
    ]);
    return world;
  };

  it.each(["skip", "queue-one", "cancel-running"] as const)(
    "349 is asked after, not sent again, until it is known to run: with %s none runs beside it",
    async (overlap) => {
      const world = await silent(every(10, { overlap }), true);
      const submits = world.countCalls("submit");
      await world.pass(30_000);
      expect(await told(world)).toEqual(["10 PENDING"]);
      world.faultOfCall = () => null;
      await world.pass(60_000);
      expect(await told(world)).toEqual(["10 FIRED"]);
      expect(world.countCalls("submit")).toBe(submits);
      expect(await see(world, "a")).toMatchObject({ fires: 1, missedCount: 0, paused: true });
      await pause(world, false);
      await world.pass(10_000);
      if (overlap === "cancel-running") expect((await told(world))[0]).toBe("10 FIRED");
      expect(world.tasks()).toHaveLength(1);
    },
  );

  it("349 is missed once it is known that it was not taken", async () => {
    const world = await silent(every(10, { overlap: "skip" }), false);
    world.faultOfCall = () => null;
    await world.pass(60_000);
    expect(await told(world)).toEqual(["10 MISSED"]);
    expect((await fires(world))[0]?.reason).toBe("the schedule was paused (it was not taken)");
    expect(world.tasks()).toEqual([]);
  });

  it("349 is missed where its queue is gone", async () => {
    const world = await silent(every(10, { overlap: "skip" }), true);
    world.directory().sql.run("DELETE FROM queue");
    await world.pass(60_000);
    expect(await told(world)).toEqual(["10 MISSED"]);
  });

  it("349 is sent again where the schedule was resumed before that was known", async () => {
    const world = await silent(every(10, { overlap: "skip" }), false);
    await pause(world, false);
    world.faultOfCall = () => null;
    await world.pass(60_000);
    expect((await told(world))[0]).toBe("10 FIRED");
    expect(world.tasks()).toHaveLength(1);
  });

  it("349 an answer that comes after the resumption gives up nothing", async () => {
    const world = await silent(every(10, { overlap: "skip" }), false);
    const directory = world.directory();
    world.stand(10_000);
    const asked = directory.transact(() => takeDue(directory, world.now)).fires;
    expect(asked).toMatchObject([{ isAsked: true }]);
    await pause(world, false);
    world.faultOfCall = () => null;
    await askFires(directory, asked);
    expect((await told(world))[0]).toBe("10 PENDING");
    await world.pass(70_000);
    expect((await told(world))[0]).toBe("10 FIRED");
  });

  it("175 one that was refused is missed with the pause, and says by whom", async () => {
    const world = await worldOf(every(10, { overlap: "skip" }));
    world.faultOfCall = ({ method }) =>
      method === "submit" ? { v: 1, ok: false, code: "queue-full", detail: "full" } : null;
    await world.pass(11_000);
    await pause(world, true);
    expect((await fires(world))[0]).toMatchObject({
      status: "MISSED",
      reason: "the schedule was paused (queue-full (queue default): full)",
    });
  });

  it("175 349 with allow it is missed at once, as it is in nobody's way", async () => {
    const world = await worldOf(every(10));
    world.faultOfCall = ({ method }) => (method === "submit" ? "lose" : null);
    await world.pass(11_600);
    await pause(world, true);
    expect(await told(world)).toEqual(["10 MISSED"]);
  });

  it.each([
    ["that is there is told as fired", "lose", "10 FIRED"],
    ["that is not is missed", "throw", "10 MISSED"],
  ] as const)("349 343 a run %s", async (_, fault, fate) => {
    const world = new DirectoryWorld();
    world.types.set("echo", handledType({ type: "echo", version: 1, payload: z.unknown() }));
    const payload = JSON.stringify({ tasks: [{ key: "a", type: "echo", payload: 1 }] });
    await add(world, "a", every(10, { isWorkflow: true, type: "", version: 0, payload, overlap: "skip" }));
    world.runsFault = fault;
    const settled = () => waitFor(() => world.directory().inFlight.size === 0, { what: "nothing is on its way" });
    await world.pass(10_000);
    await settled();
    world.runsFault = "throw";
    await pause(world, true);
    await world.pass(1);
    await settled();
    expect(await told(world)).toEqual(["10 PENDING"]);
    world.runsFault = null;
    await world.pass(10_000);
    await settled();
    await world.settle();
    expect(await told(world)).toEqual([fate]);
  });
});
