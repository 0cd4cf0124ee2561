/** Schedules of workflows: each fire is one run, made of what queues and routes there are by then. */
import { describe, expect, it } from "vitest";
import { z } from "zod";
import type { QueueName } from "../../core/ids.ts";
import { handledType } from "../../core/make-task.ts";
import { changeQueue } from "../../durable-objects/directory/queues/change-queue.ts";
import { putRoute } from "../../durable-objects/directory/routes/put-route.ts";
import { listFires } from "../../durable-objects/directory/schedules/read-schedules.ts";
import { runSchedule } from "../../durable-objects/directory/schedules/run-schedule.ts";
import { putSchedule } from "../../durable-objects/directory/schedules/save-schedule.ts";
import { armNext } from "../../durable-objects/workflow-run/arm.ts";
import { cancel } from "../../durable-objects/workflow-run/asked/cancel.ts";
import { forgetPast } from "../../durable-objects/workflow-run/asked/erase.ts";
import { resumeNodes } from "../../durable-objects/workflow-run/asked/resume.ts";
import { tellFire } from "../../durable-objects/workflow-run/rounds/tell-fire.ts";
import { NodeD1 } from "../support/node/d1.ts";
import { DirectoryWorld, START } from "../support/node/directory-world.ts";
import { add, every, see } from "../support/node/schedules.ts";
import { waitFor } from "../support/node/wait-for.ts";

const q = (name: string) => name as QueueName;
const body = (tasks: readonly object[], more: object = {}) => JSON.stringify({ tasks, ...more });
const one = body([{ key: "a", type: "echo", payload: { n: 1 } }]);

function worldOf(): DirectoryWorld {
  const world = new DirectoryWorld();
  for (const type of ["echo", "sleep"])
    world.types.set(type, handledType({ type, version: 2, payload: z.object({ n: z.number() }) }));
  return world;
}
const workflow = (text: string, told: object = {}) =>
  every(10, { isWorkflow: true, type: "", version: 0, payload: text, ...told });
const runsOf = (world: DirectoryWorld) => [...world.runs.values()].filter((run) => run.memory !== null);
const tasksOf = (world: DirectoryWorld) =>
  runsOf(world).map((run) =>
    run.sql.all<{ spec: string }>("SELECT spec FROM node ORDER BY i").map(({ spec }) => {
      const { task } = JSON.parse(spec) as { task: { queue: string; shard: number; version: number } };
      return task;
    }),
  );
/** The hash that a run's id is made of comes from another thread: what is on its way is waited for, each ten seconds. */
async function pass(world: DirectoryWorld, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 10_000) {
    await world.pass(Math.min(left, 10_000));
    await waitFor(() => world.directory().inFlight.size === 0, { what: "fires on their way have been answered" });
    await world.settle();
  }
}
const statuses = async (world: DirectoryWorld) => {
  const answer = await listFires(world.directory(), { id: "a", before: null, limit: 100 });
  return answer.ok ? answer.fires.map(({ status }) => status).reverse() : answer.code;
};

describe("343 a schedule of workflows", () => {
  it("343 each fire is a run, whose id is made of schedule and fire: two tries are one run", async () => {
    const world = worldOf();
    await add(world, "a", workflow(one));
    world.runsFault = "lose";
    await pass(world, 10_000);
    expect(runsOf(world)).toHaveLength(1);
    expect(await statuses(world)).toEqual(["PENDING"]);
    // What a try is made of may have changed by the next one.
    await putRoute(world.directory(), { type: "echo", queue: q("other") });
    world.runsFault = null;
    await pass(world, 3_000);
    expect(runsOf(world)).toHaveLength(1);
    const [run] = runsOf(world);
    expect(await see(world, "a")).toMatchObject({ fires: 1, lastTaskId: run?.id });
    expect(run?.memory?.head.fire).toEqual({ schedule: "a", fireAt: START + 10_000 });
    await pass(world, 7_000);
    expect(new Set(runsOf(world).map(({ id }) => id)).size).toBe(2);
  });

  it("344 goes to queues, shards and versions as they are when it fires", async () => {
    const world = worldOf();
    const made = async (name: string, keyShards: number) =>
      await changeQueue(world.directory(), { queue: q(name), patch: { keyShards }, replace: true, create: true });
    await made("told", 16);
    await made("routed", 16);
    const text = body([
      { key: "a", type: "echo", payload: { n: 1 }, queue: "told" },
      { key: "b", type: "echo", payload: { n: 2 } },
      { key: "c", type: "sleep", payload: { n: 2 } },
    ]);
    await add(world, "a", workflow(text));
    await pass(world, 10_000);
    await putRoute(world.directory(), { type: "echo", queue: q("routed") });
    await pass(world, 80_000);
    const tasks = tasksOf(world);
    expect(tasks).toHaveLength(9);
    expect(tasks[0]?.map(({ queue }) => queue)).toEqual(["told", "default", "default"]);
    for (const later of tasks.slice(1)) expect(later.map(({ queue }) => queue)).toEqual(["told", "routed", "default"]);
    expect(tasks.flat().every(({ version }) => version === 2)).toBe(true);
    expect(new Set(tasks.map(([first]) => first?.shard)).size, "runs spread over shards").toBeGreaterThan(2);
  });

  it("344 one that cannot be made by then is missed, with the reason, and the next is tried", async () => {
    const world = worldOf();
    await changeQueue(world.directory(), { queue: q("gone"), patch: {}, replace: true, create: true });
    await add(world, "a", workflow(body([{ key: "a", type: "echo", payload: { n: 1 }, queue: "gone" }])));
    world.directory().sql.run("DELETE FROM queue WHERE name = 'gone'");
    await pass(world, 20_000);
    expect(await statuses(world)).toEqual(["MISSED", "MISSED"]);
    const answer = await listFires(world.directory(), { id: "a", before: null, limit: 1 });
    expect(answer.ok && answer.fires[0]?.reason).toContain("/tasks/0/queue is not a known queue: gone");
    expect(runsOf(world)).toEqual([]);
  });

  it("343 its end is told, and overlap goes by it; a run that nobody knows has ended", async () => {
    const world = worldOf();
    await add(world, "a", workflow(one, { overlap: "skip" }));
    await pass(world, 20_000);
    expect(await statuses(world)).toEqual(["FIRED", "SKIPPED"]);
    const [run] = runsOf(world);
    if (!run?.memory) throw new Error("there is a run");
    run.memory.head.status = "FAILED";
    run.memory.head.endedAt = world.now;
    await world.ask(tellFire(run, run.memory, world.now));
    expect(await statuses(world)).toEqual(["FAILED", "SKIPPED"]);
    await pass(world, 10_000);
    expect(await statuses(world)).toEqual(["FAILED", "SKIPPED", "FIRED"]);
    const second = runsOf(world)[1];
    if (!second) throw new Error("there is a second run");
    world.runs.delete(second.id);
    await pass(world, 10_000);
    expect(await statuses(world)).toEqual(["FAILED", "SKIPPED", "UNKNOWN", "FIRED"]);
  });

  it("343 a fire that has made nothing yet is missed where a PUT makes tasks of the schedule's runs, or runs of its tasks", async () => {
    const world = worldOf();
    const definition = (isRun: boolean) =>
      isRun ? workflow(one, { overlap: "skip" }) : every(10, { payload: '{"n":1}', overlap: "skip" });
    const put = (isRun: boolean) =>
      putSchedule(world.directory(), { id: "a", definition: definition(isRun), paused: null });
    await put(true);
    world.runsFault = "throw";
    await pass(world, 10_000);
    await put(false);
    await pass(world, 4_000);
    expect(await statuses(world)).toEqual(["MISSED"]);
    world.runsFault = null;
    world.faultOfCall = ({ method }) => (method === "submit" ? "throw" : null);
    await pass(world, 6_500);
    await put(true);
    await pass(world, 4_000);
    expect(await statuses(world)).toEqual(["MISSED", "MISSED"]);
    const answer = await listFires(world.directory(), { id: "a", before: null, limit: 1 });
    expect(answer.ok && answer.fires[0]?.reason).toBe(
      "what the schedule makes was changed (no answer came (queue default), so it may have run)",
    );
    await pass(world, 10_000);
    expect((await statuses(world))[2]).toBe("FIRED");
    expect(runsOf(world)).toHaveLength(1);
    expect(world.tasks()).toEqual([]);
  });

  it("336 343 cancel-running cancels the run before", async () => {
    const world = worldOf();
    await add(world, "a", workflow(one, { overlap: "cancel-running" }));
    await pass(world, 20_001);
    expect(runsOf(world).map((run) => run.memory?.head.stop)).toEqual(["cancelled", null]);
    const [run] = runsOf(world);
    expect(run && cancel(run, { v: 1 })).toMatchObject({ ok: true });
  });

  it("336 337 a run that ended and did not tell is written down as it ended", async () => {
    const world = worldOf();
    await add(world, "a", workflow(one, { overlap: "cancel-running" }));
    await pass(world, 10_000);
    const [run] = runsOf(world);
    if (!run?.memory) throw new Error("there is a run");
    run.memory.head.status = "FAILED";
    run.memory.head.endedAt = world.now;
    await pass(world, 10_001);
    await pass(world, 1_000);
    expect(await statuses(world)).toEqual(["FAILED", "FIRED"]);
  });

  it("343 a run is not forgotten before its end was told; taken up again, it will tell another", async () => {
    const world = worldOf();
    await add(world, "a", workflow(body([{ key: "a", type: "echo", payload: { n: 1 } }], { keepSeconds: 60 })));
    await pass(world, 10_000);
    const [run] = runsOf(world);
    if (!run?.memory) throw new Error("there is a run");
    const { memory } = run;
    memory.head.status = "FAILED";
    memory.head.endedAt = world.now;
    memory.head.listed = "FAILED";
    world.stand(3_600_000);
    world.database = new NodeD1();
    run.alarmAt = null;
    armNext(run);
    expect(run.alarmAt, "nothing to wake for but to tell it").toBeNull();
    expect(await forgetPast(run, memory, world.now)).toBe(false);
    await world.ask(tellFire(run, memory, world.now));
    expect(memory.head.isFireTold).toBe(true);
    armNext(run);
    expect(run.alarmAt).toBe(world.now);
    run.transact(() => resumeNodes(run, memory, new Set()));
    expect(memory.head).toMatchObject({ isFireTold: false, status: "RUNNING" });
  });

  it("343 run-now is a run more, one for a key", async () => {
    const world = worldOf();
    await add(world, "a", workflow(one));
    const now = (key?: string) => world.ask(runSchedule(world.directory(), { id: "a", ...(key && { key }) }));
    const first = await now("k");
    expect(first).toMatchObject({ ok: true, taskId: expect.stringMatching(/^wf_/) });
    expect(await now("k")).toEqual({ ...first, replayed: true });
    expect(await now()).toMatchObject({ ok: true });
    expect(runsOf(world)).toHaveLength(2);
    expect(await see(world, "a")).toMatchObject({ fires: 0 });
    world.runsFault = "throw";
    expect(await now()).toMatchObject({ ok: false, code: "outcome-unknown" });
  });
});
