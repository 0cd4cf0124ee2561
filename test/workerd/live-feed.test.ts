/** The live feed over its real object: what a socket is told, what it may ask, and what is left when its memory goes. */
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import { type QueueName, seqAt, type TaskId, taskId } from "../../core/ids.ts";
import { pack, unpack } from "../../durable-objects/live-feed/subscriptions.ts";
import { call } from "../support/workerd/call.ts";
import { FeedClient } from "../support/workerd/feed-client.ts";
import { serviceWith } from "../support/workerd/service.ts";

const PATIENCE = { timeout: 10_000, interval: 20 };
const feed = () => env.LIVE_FEED.getByName("default");
const submit = async (task: object): Promise<string> =>
  String((await call("POST", "/tasks/submissions", task)).body.id);
const later = { type: "echo", payload: 1, delaySeconds: 600 };
const alarm = () => runInDurableObject(feed(), (_, { storage }) => storage.getAlarm());
const invented = (count: number, queue = "default") =>
  Array.from({ length: count }, (_, n) =>
    taskId({ queue: queue as QueueName, shard: 0 }, seqAt(Date.UTC(2026, 0, 1) + n)),
  );

describe("289 a socket", () => {
  it("is told how a task stands, each change of it, and its end; then nothing is watched any more", async () => {
    const id = await submit(later);
    const client = await FeedClient.open();
    client.say({ subscribe: { ids: [id] } });
    expect(await client.statuses(id, 1)).toEqual(["SCHEDULED"]);
    await call("PATCH", `/tasks/submissions/${id}`, { priority: 9 });
    await client.statuses(id, 2);
    expect((await client.all("task")).at(-1)?.task).toMatchObject({ rev: 2, priority: 9 });
    await call("POST", `/tasks/submissions/${id}/run-now`);
    const told = await vi.waitUntil(async () => {
      const statuses = await client.statuses(id, 3);
      return statuses.includes("SUCCEEDED") && statuses;
    }, PATIENCE);
    expect(told.at(-1)).toBe("SUCCEEDED");
    await vi.waitUntil(async () => (await alarm()) === null, PATIENCE);
    client.close();
  });

  it("is told of one that ended long ago, and only D1 has", async () => {
    const id = await submit({ type: "echo", payload: 1 });
    await call("GET", `/tasks/submissions/${id}?wait=20`);
    const isFlushed = async () => (await call("GET", "/queues/default")).body.counts?.outboxRows === 0;
    await vi.waitUntil(isFlushed, PATIENCE);
    const client = await FeedClient.open();
    client.say({ subscribe: { ids: [id] } });
    expect(await client.statuses(id, 1)).toEqual(["SUCCEEDED"]);
    client.close();
  });

  it("is told a queue's counts, and again when they change", async () => {
    await call("PUT", "/queues/fed", {});
    await call("POST", "/queues/fed/pause");
    const client = await FeedClient.open();
    client.say({ subscribe: { queue: "fed" } });
    await client.all("queue", 1);
    await submit({ type: "echo", payload: 1, queue: "fed" });
    const told = await client.all("queue", 2);
    expect(told).toMatchObject([
      { queue: "fed", counts: { queued: 0 }, shards: { asked: 1, answered: 1 } },
      { queue: "fed", counts: { queued: 1, depth: 1 } },
    ]);
    client.say({ unsubscribe: { queue: "fed" } });
    await vi.waitUntil(async () => (await alarm()) === null, PATIENCE);
    client.close();
  });

  it("is told what is wrong with a message, and the rest of it counts", async () => {
    const id = await submit(later);
    const client = await FeedClient.open();
    client.say("{");
    client.say(new ArrayBuffer(2));
    client.say({ subscribe: { ids: [id] }, unsubscribe: { ids: [id] } });
    client.say({ subscribe: { ids: [id, 7] } });
    client.say({ subscribe: { ids: [id, "x", "nowhere.0.03lfc9kckcq"], queue: "nowhere" } });
    client.say({ subscribe: { ids: invented(1) } });
    client.say(JSON.stringify({ subscribe: { queue: "x".repeat(128 * 1024) } }));
    const errors = await client.all("error", 9);
    expect(errors.map(({ code, pointer, id: about }) => [code, pointer, about])).toEqual([
      ["invalid-json", undefined, undefined],
      ["invalid-json", undefined, undefined],
      ["invalid-request", "", undefined],
      ["invalid-request", "/subscribe/ids/1", undefined],
      ["task-unknown", "/subscribe/ids/1", "x"],
      ["task-unknown", "/subscribe/ids/2", "nowhere.0.03lfc9kckcq"],
      ["queue-unknown", "/subscribe/queue", undefined],
      ["body-too-large", undefined, undefined],
      ["task-expired-from-history", undefined, invented(1)[0]],
    ]);
    expect(await client.statuses(id, 1)).toEqual(["SCHEDULED"]);
    client.close();
  });

  it("226 is told that the data of a task was deleted, and then no more of it", async () => {
    const id = await submit({ ...later, delaySeconds: 0 });
    await call("GET", `/tasks/submissions/${id}?wait=20`);
    expect((await call("DELETE", `/tasks/submissions/${id}`)).status).toBe(204);
    const client = await FeedClient.open();
    client.say({ subscribe: { ids: [id] } });
    expect(await client.all("error", 1)).toMatchObject([{ code: "task-deleted", id }]);
    client.close();
  });

  it("is what GET /events needs, and of this origin, where a browser names one", async () => {
    expect(await call("GET", "/events")).toMatchObject({ status: 426, body: { code: "upgrade-required" } });
    expect((await call("POST", "/events")).status).toBe(405);
    const from = (origin: string) => call("GET", "/events", undefined, { headers: { upgrade: "websocket", origin } });
    expect(await from("http://elsewhere.test")).toMatchObject({ status: 403, body: { code: "origin-not-allowed" } });
    expect((await from("null")).status).toBe(403);
    expect((await from("http://sluice.test")).status).toBe(101);
    const away = serviceWith(() => ({ liveFeed: () => ({ fetch: () => Promise.reject(new Error("lost")) }) }));
    const headers = { upgrade: "websocket" };
    expect((await call("GET", "/events", undefined, { fetch: away, headers })).status).toBe(503);
  });
});

describe("290 a socket", () => {
  it("watches on when the feed has lost its memory, is told once more how all stands, and then what changes", async () => {
    await call("PUT", "/queues/lasting", {});
    const id = await submit(later);
    const client = await FeedClient.open();
    client.say({ subscribe: { ids: [id], queue: "lasting" } });
    await client.statuses(id, 1);
    await client.all("queue", 1);
    await evictDurableObject(feed());
    expect(await client.statuses(id, 2)).toEqual(["SCHEDULED", "SCHEDULED"]);
    expect(await client.all("queue", 2)).toHaveLength(2);
    await call("POST", `/tasks/submissions/${id}/cancel`);
    expect((await client.statuses(id, 3)).at(-1)).toBe("CANCELLED");
    client.close();
    await vi.waitUntil(async () => (await alarm()) === null, PATIENCE);
  });

  it("watches 1,000 tasks and 16 queues; a message that goes beyond counts not at all", async () => {
    const client = await FeedClient.open();
    const id = await submit(later);
    const { body } = await call("POST", "/tasks/submissions", { tasks: Array.from({ length: 1_000 }, () => later) });
    const ids = (body.ids ?? []).map(String);
    client.say({ subscribe: { ids: ids.slice(0, 999) } });
    await client.all("task", 999);
    client.say({ subscribe: { ids: [id, ids[999]] } });
    client.say({ subscribe: { ids: [...ids, id] } });
    expect(await client.all("error", 2)).toMatchObject([
      { code: "invalid-request", pointer: "/subscribe/ids", detail: expect.stringContaining("999") },
      { code: "invalid-request", pointer: "/subscribe/ids" },
    ]);
    client.say({ subscribe: { ids: [ids[999]] } });
    await client.all("task", 1_000);
    for (let n = 0; n < 17; n++) {
      await call("PUT", `/queues/many-${n}`, {});
      client.say({ subscribe: { queue: `many-${n}` } });
    }
    const isTold = async () => (await client.all("error")).some((error) => error.pointer === "/subscribe/queue");
    await vi.waitUntil(isTold, PATIENCE);
    expect(await client.statuses(id, 0)).toEqual([]);
    client.say("ping");
    await vi.waitUntil(() => client.heard.includes("pong"), PATIENCE);
    client.close();
  });

  it("has a thousand tasks of 64 shards of the longest name attached to it, and 16 queues", async () => {
    const queue = "q".repeat(64) as QueueName;
    const ids = new Set<TaskId>();
    for (let n = 0; n < 1_000; n++) ids.add(taskId({ queue, shard: n % 64 }, seqAt(Date.UTC(2026, 0, 1) + n)));
    const queues = new Set(Array.from({ length: 16 }, (_, n) => `${n}`.padStart(64, "q") as QueueName));
    const attached = await runInDurableObject(feed(), (_, state) => {
      const { 0: client, 1: server } = new WebSocketPair();
      state.acceptWebSocket(server);
      client.accept();
      server.serializeAttachment(pack({ ids, queues }));
      const found = unpack(server.deserializeAttachment());
      server.close();
      return { ids: [...found.ids], queues: [...found.queues] };
    });
    expect([new Set(attached.ids), new Set(attached.queues)]).toEqual([ids, queues]);
  });
});
