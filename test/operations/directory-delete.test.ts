/** Deleting a queue: nothing is lost unless it is forced, and what comes after begins anew. */
import { describe, expect, it } from "vitest";
import { DEFAULT_TENANT, type QueueName } from "../../core/ids.ts";
import type { Answer } from "../../core/schema/answer.ts";
import { DEFAULT_SETTINGS, type QueuePatch } from "../../core/schema/queue-settings.ts";
import type { NewTask, SubmitAnswer } from "../../core/schema/rpc.ts";
import { submitTo } from "../../durable-objects/directory/fires/submit-fires.ts";
import { lookup } from "../../durable-objects/directory/lookup.ts";
import { changeQueue, controlQueue } from "../../durable-objects/directory/queues/change-queue.ts";
import { deleteQueue } from "../../durable-objects/directory/queues/delete-queue.ts";
import { listQueues } from "../../durable-objects/directory/queues/list-queues.ts";
import { putRoute } from "../../durable-objects/directory/routes/put-route.ts";
import { createSchedule } from "../../durable-objects/directory/schedules/save-schedule.ts";
import { DirectoryWorld } from "../support/node/directory-world.ts";
import { every } from "../support/node/schedules.ts";

const queue = "a" as QueueName;
const TASK: NewTask = { type: "echo", version: 1, priority: 5, payload: "1", runAt: null, options: null };

async function made(patch: QueuePatch = {}): Promise<DirectoryWorld> {
  const world = new DirectoryWorld();
  await put(world, patch);
  return world;
}
const put = (world: DirectoryWorld, patch: QueuePatch = {}) =>
  changeQueue(world.directory(), { queue, patch, replace: true, create: true });
const submit = (world: DirectoryWorld, shard = 0): Promise<SubmitAnswer> =>
  world.ask(submitTo(world.directory(), queue, shard, [TASK], 1_000));
const drain = (world: DirectoryWorld) => world.ask(controlQueue(world.directory(), { queue, action: "drain" }));
const remove = (world: DirectoryWorld, force = false): Promise<Answer<object>> =>
  world.ask(deleteQueue(world.directory(), { queue, force }));
const find = async (world: DirectoryWorld) => {
  const found = await lookup(world.directory(), { v: 1, queue, type: null, create: false });
  return found.ok ? found.entry : found;
};

describe("257 a queue is deleted", () => {
  it("only when it drains and is empty: it is gone from every answer, and its name with it", async () => {
    const world = await made({ shards: 2 });
    expect(await remove(world)).toMatchObject({ ok: false, code: "queue-not-empty" });
    await drain(world);
    expect(await remove(world)).toMatchObject({ ok: true });
    expect(await find(world)).toBeNull();
    expect(await listQueues(world.directory())).toMatchObject({ entries: [] });
    expect(await remove(world)).toMatchObject({ ok: false, code: "queue-unknown" });
    expect(await drain(world)).toMatchObject({ ok: false, code: "queue-unknown" });
  });

  it("not while a task is in any of its shards; the refusal counts what there is", async () => {
    const world = await made({ shards: 2 });
    await submit(world, 1);
    await drain(world);
    expect(await remove(world)).toMatchObject({
      code: "queue-not-empty",
      detail: expect.stringContaining("1 unfinished task."),
    });
    expect(world.tasks("a", 1)).toHaveLength(1);
  });

  it("not before each shard knows that it drains: one that does not would still take tasks", async () => {
    const world = await made({ shards: 2 });
    await submit(world, 1);
    world.faults.set("default:a:1", "throw");
    await drain(world);
    expect(await remove(world)).toMatchObject({ code: "unavailable" });
    world.faults.clear();
    expect(await remove(world)).toMatchObject({ code: "queue-not-empty" });
  });

  it("not where it was resumed while its shards were asked: it may have got something since", async () => {
    const world = await made();
    await drain(world);
    world.faultOfCall = ({ method }) => {
      if (method !== "summary") return null;
      world.faultOfCall = () => null;
      void controlQueue(world.directory(), { queue, action: "resume" });
      return null;
    };
    expect(await remove(world)).toMatchObject({ code: "queue-not-empty", detail: expect.stringContaining("drain") });
    expect(await find(world)).toMatchObject({ settings: { draining: false, deleted: false } });
  });

  it("not while a type is routed to it or a schedule names it", async () => {
    const world = await made();
    await drain(world);
    await createSchedule(world.directory(), { id: "nightly", definition: { ...every(60), queue }, paused: false });
    expect(await remove(world, true)).toMatchObject({
      code: "queue-in-use",
      detail: expect.stringContaining("nightly"),
    });
    await putRoute(world.directory(), { type: "mail", queue });
    expect(await remove(world, true)).toMatchObject({ code: "queue-in-use", detail: expect.stringContaining("mail") });
  });

  it("by force with all that it holds; what still comes to a shard of it is refused", async () => {
    const world = await made();
    await submit(world);
    expect(await remove(world, true)).toMatchObject({ ok: true });
    expect(world.tasks("a")).toEqual([]);
    const late = await world.ask(
      world.ports.shard({ tenant: DEFAULT_TENANT, queue, shard: 0 }).submit({
        v: 1,
        settingsVersion: 1,
        atomic: true,
        tasks: [TASK],
      }),
    );
    expect(late).toMatchObject({ ok: false, code: "queue-unknown" });
  });
});

describe("258 a deleted queue that is made again", () => {
  it("begins with default settings and nothing in it, and its numbers go on", async () => {
    const world = await made({ slots: 3 });
    const before = await submit(world);
    await remove(world, true);
    expect(await put(world)).toMatchObject({
      entry: { settings: { ...DEFAULT_SETTINGS, version: 3, generation: 2 } },
    });
    const after = await submit(world);
    expect(world.tasks("a")).toHaveLength(1);
    expect(after.ok && before.ok && (after.seqs[0] ?? 0) > (before.seqs[0] ?? 0)).toBe(true);
  });

  it("has none of its old tasks, though a shard never heard that it was deleted", async () => {
    const world = await made();
    await submit(world);
    await submit(world);
    world.faults.set("default:a", "throw");
    await remove(world, true);
    await put(world);
    world.faults.clear();
    expect(world.tasks("a")).toHaveLength(2);
    await submit(world);
    expect(world.tasks("a")).toHaveLength(1);
    expect(world.shard("a").memory.lanes.queued).toBe(1);
  });
});
