import { describe, expect, it } from "vitest";
import type { QueueName } from "../../core/ids.ts";
import type { Answer } from "../../core/schema/answer.ts";
import type { ChangeAnswer } from "../../core/schema/directory-rpc.ts";
import { DEFAULT_SETTINGS, type QueuePatch } from "../../core/schema/queue-settings.ts";
import { lookup } from "../../durable-objects/directory/lookup.ts";
import { changeQueue, controlQueue } from "../../durable-objects/directory/queues/change-queue.ts";
import { deleteQueue } from "../../durable-objects/directory/queues/delete-queue.ts";
import { listQueues, shortLeases } from "../../durable-objects/directory/queues/list-queues.ts";
import { deleteRoute } from "../../durable-objects/directory/routes/delete-route.ts";
import { listRoutes } from "../../durable-objects/directory/routes/list-routes.ts";
import { putRoute } from "../../durable-objects/directory/routes/put-route.ts";
import { DirectoryWorld, START } from "../support/node/directory-world.ts";

const q = (name: string) => name as QueueName;

function put(world: DirectoryWorld, queue: string, patch: QueuePatch): Promise<Answer<ChangeAnswer>> {
  return changeQueue(world.directory(), { queue: q(queue), patch, replace: true, create: true });
}
function patch(world: DirectoryWorld, queue: string, change: QueuePatch): Promise<Answer<ChangeAnswer>> {
  return changeQueue(world.directory(), { queue: q(queue), patch: change, replace: false, create: false });
}
function find(world: DirectoryWorld, queue: string | null, create: boolean, type: string | null = null) {
  return lookup(world.directory(), { v: 1, queue: queue === null ? null : q(queue), type, create });
}

describe("how a queue comes to be", () => {
  it("a question makes nothing, not even tables", async () => {
    const world = new DirectoryWorld();
    const nothing = { v: 1, ok: true, route: null, entry: null, declared: false };
    expect(await find(world, "default", false)).toEqual({ ...nothing, comes: true });
    expect(await find(world, "elsewhere", true)).toEqual({ ...nothing, comes: false });
    expect(await listQueues(world.directory())).toMatchObject({ entries: [] });
    expect(world.rows("default", "SELECT name FROM sqlite_master")).toEqual([]);
  });

  it("179 `default` comes with its first submission", async () => {
    const world = new DirectoryWorld();
    const answer = await find(world, null, true, "echo");
    expect(answer).toMatchObject({ ok: true, route: null, declared: false });
    expect(answer).toMatchObject({
      entry: { queue: "default", settings: DEFAULT_SETTINGS, shardsEver: 1, createdAt: START },
    });
    expect(await find(world, "default", false)).toMatchObject({ entry: { queue: "default" } });
  });

  it("C2 179 a queue that a type is routed to comes too, any other does not", async () => {
    const world = new DirectoryWorld();
    await putRoute(world.directory(), { type: "mail", queue: q("mails") });
    expect(await find(world, null, false, "mail")).toMatchObject({ route: "mails", entry: null, declared: true });
    expect(await find(world, null, true, "mail")).toMatchObject({ route: "mails", entry: { queue: "mails" } });
    expect(await find(world, "typo", true, "mail")).toMatchObject({ route: "mails", entry: null });
  });

  it("184 a route is taken back once; the queue that it made stays", async () => {
    const world = new DirectoryWorld();
    await putRoute(world.directory(), { type: "mail", queue: q("mails") });
    const ask = { v: 1, queue: null, type: "mail", create: true } as const;
    expect(await lookup(world.directory(), ask)).toMatchObject({ route: "mails", declared: true });
    expect(await deleteRoute(world.directory(), { type: "mail" })).toMatchObject({ ok: true });
    expect(await lookup(world.directory(), ask)).toMatchObject({
      route: null,
      declared: false,
      entry: { queue: "default" },
    });
    expect(await lookup(world.directory(), { ...ask, queue: q("mails"), create: false })).toMatchObject({
      entry: { queue: "mails" },
    });
    expect(await deleteRoute(world.directory(), { type: "mail" })).toMatchObject({ ok: false, code: "not-found" });
  });

  it("C2 184 a route changes at run time", async () => {
    const world = new DirectoryWorld();
    await putRoute(world.directory(), { type: "mail", queue: q("a") });
    await putRoute(world.directory(), { type: "mail", queue: q("b") });
    await putRoute(world.directory(), { type: "image", queue: q("c") });
    expect(await listRoutes(world.directory())).toMatchObject({
      routes: [
        { type: "image", queue: "c" },
        { type: "mail", queue: "b" },
      ],
    });
    expect(await find(world, null, true, "mail")).toMatchObject({ entry: { queue: "b" } });
  });

  it("179 PUT makes one, needs no push, and survives the object", async () => {
    const world = new DirectoryWorld();
    const made = await put(world, "big", { shards: 4, keyShards: 8, depthLimit: 100 });
    expect(made).toMatchObject({
      ok: true,
      entry: { shardsEver: 8, settings: { shards: 4, keyShards: 8, depthLimit: 100, version: 1, paused: false } },
      shards: { asked: 0, answered: 0 },
    });
    expect(world.countCalls("configure")).toBe(0);
    await world.evict();
    expect(await find(world, "big", false)).toMatchObject({ entry: { shardsEver: 8 } });
  });

  it("179 PATCH and pause of an unknown queue are 404, and write nothing", async () => {
    const world = new DirectoryWorld();
    expect(await patch(world, "none", { shards: 2 })).toMatchObject({ ok: false, code: "queue-unknown" });
    expect(await controlQueue(world.directory(), { queue: q("none"), action: "pause" })).toMatchObject({
      code: "queue-unknown",
    });
    expect(world.rows("default", "SELECT name FROM sqlite_master")).toEqual([]);
  });
});

describe("what settings may be", () => {
  it("180 keyShards and history are fixed once the queue is there", async () => {
    const world = new DirectoryWorld();
    world.historyDatabases = 2;
    await put(world, "a", { keyShards: 4, history: 1 });
    for (const [field, change] of [
      ["keyShards", { keyShards: 2 }],
      ["history", { history: 0 }],
    ] as const) {
      expect(await patch(world, "a", change)).toMatchObject({ code: "setting-fixed", pointer: `/${field}` });
      expect(await put(world, "a", change)).toMatchObject({ code: "setting-fixed", pointer: `/${field}` });
    }
    expect(await put(world, "a", {})).toMatchObject({ ok: true, entry: { settings: { keyShards: 4, history: 1 } } });
  });

  it.each([
    ["depthLimit", { depthLimit: 3, shards: 4 }],
    ["depthLimit", { depthLimit: 3, keyShards: 4 }],
    ["concurrency", { concurrency: 1, shards: 2 }],
    ["typeLimits/echo/concurrency", { shards: 2, typeLimits: { sleep: {}, echo: { concurrency: 1 } } }],
    ["ageStepMs", { fair: {}, ageStepMs: 1_000 }],
    ["rate/limit", { shards: 2, rate: { limit: 1, periodMs: 1_000 } }],
    ["typeLimits/echo/rate/limit", { shards: 2, typeLimits: { echo: { rate: { limit: 1, periodMs: 1_000 } } } }],
    ["typeLimits/a~1b~1/concurrency", { shards: 2, typeLimits: { "a/b/": { concurrency: 1 } } }],
    ["leaseMs", { leaseMs: 40_000 }],
    ["history", { history: 1 }],
  ])("181 %s is refused where it does not fit: %j", async (field, change) => {
    const world = new DirectoryWorld();
    const refused = await put(world, "a", change);
    expect(refused).toMatchObject({ ok: false, code: "invalid-request", pointer: `/${field}` });
    expect(await find(world, "a", false)).toMatchObject({ entry: null });
  });

  it("181 their bounds themselves are allowed", async () => {
    const world = new DirectoryWorld();
    expect(await put(world, "a", { shards: 2, concurrency: 2, depthLimit: 2, leaseMs: 40_001 })).toMatchObject({
      ok: true,
    });
    expect(await patch(world, "a", { shards: 3 })).toMatchObject({ code: "invalid-request", pointer: "/depthLimit" });
  });

  it("180 PUT gives defaults to what it does not name, PATCH leaves it, retry merged; the pause stays", async () => {
    const world = new DirectoryWorld();
    await put(world, "a", { slots: 3, maxCrashes: 2, retry: { maxAttempts: 9, baseMs: 5 } });
    await controlQueue(world.directory(), { queue: q("a"), action: "pause" });
    const patched = await patch(world, "a", { maxCrashes: 7, retry: { baseMs: 6 } });
    expect(patched).toMatchObject({
      entry: { settings: { slots: 3, maxCrashes: 7, retry: { maxAttempts: 9, baseMs: 6 }, paused: true } },
    });
    const replaced = await put(world, "a", { slots: 4 });
    expect(replaced).toMatchObject({
      entry: { settings: { ...DEFAULT_SETTINGS, slots: 4, paused: true, version: 4 } },
    });
  });

  it("181 a lease must outlast what CPU_MS allows to compute; one kept from before is refused at the next change, and told", async () => {
    const world = new DirectoryWorld();
    await find(world, null, true);
    await put(world, "a", { leaseMs: 40_001 });
    await put(world, "gone", {});
    await put(world, "long", { leaseMs: 70_001 });
    expect(await patch(world, "a", { leaseMs: 40_000 })).toMatchObject({ pointer: "/leaseMs" });
    await controlQueue(world.directory(), { queue: q("gone"), action: "drain" });
    expect(await deleteQueue(world.directory(), { queue: q("gone"), force: true })).toMatchObject({ ok: true });
    const short = async () => await shortLeases(world.directory(), { leaseMs: world.cpuMs + 10_000 });
    expect(await short()).toMatchObject({ queues: [] });

    world.cpuMs = 60_000;
    await world.evict();
    expect(await short()).toMatchObject({ queues: ["a", "default"] });
    const refusal = { code: "invalid-request", pointer: "/leaseMs", detail: /above 70000: cpu_ms \(60000\)/ };
    for (const change of [
      () => patch(world, "a", { slots: 2 }),
      () => put(world, "new", {}),
      () => put(world, "a", {}),
    ])
      expect(await change()).toMatchObject({ ...refusal, detail: expect.stringMatching(refusal.detail) });
    expect(await controlQueue(world.directory(), { queue: q("a"), action: "pause" })).toMatchObject({ ok: true });
    expect(await patch(world, "a", { leaseMs: 70_001 })).toMatchObject({ ok: true });
    expect(await short()).toMatchObject({ queues: ["default"] });
  });

  it("185 its operator event says what was done: paused, drained, resumed, or which settings", async () => {
    const world = new DirectoryWorld();
    await put(world, "a", {});
    for (const action of ["pause", "drain", "resume", "pause", "resume"] as const)
      await controlQueue(world.directory(), { queue: q("a"), action });
    await patch(world, "a", { slots: 3, maxCrashes: 2 });
    const said = world.rows("default", "SELECT detail FROM event WHERE kind = 'queue-changed' ORDER BY n");
    const told = ["paused", "drained", "resumed", "paused", "resumed", "slots, maxCrashes"];
    expect(said).toEqual(told.map((deed) => ({ detail: `a: ${deed}` })));
  });

  it("182 shardsEver is the largest number of objects there ever was", async () => {
    const world = new DirectoryWorld();
    await put(world, "a", { shards: 2 });
    await patch(world, "a", { shards: 6 });
    expect(await patch(world, "a", { shards: 3 })).toMatchObject({
      entry: { shardsEver: 6, settings: { shards: 3 } },
      shards: { asked: 6, answered: 6 },
    });
  });
});
