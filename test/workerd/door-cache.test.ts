/** The result cache over HTTP, on real objects: where it is set, what a submission is told, how it is purged. */
import { beforeAll, describe, expect, it } from "vitest";
import { defineHandler } from "../../consumers/handlers/define.ts";
import { echo } from "../../consumers/handlers/echo.ts";
import { REGISTRY } from "../../consumers/handlers/registry.ts";
import { call, type Reply } from "../support/workerd/call.ts";
import { altered, serviceWith, silence } from "../support/workerd/service.ts";

const queue = "cached";
const submit = (body: object, fetch?: (request: Request) => Promise<Response>): Promise<Reply> =>
  call("POST", "/tasks/submissions", { type: "echo", queue, ...body }, fetch ? { fetch } : {});
const ended = async ({ body }: Reply): Promise<Reply> => call("GET", `/tasks/submissions/${body.id}?wait=20`);

/** Has a task run and succeed. */
async function warm(body: object, fetch?: (request: Request) => Promise<Response>): Promise<Reply> {
  const first = await submit(body, fetch);
  expect([first.status, (await ended(first)).body.status]).toEqual([202, "SUCCEEDED"]);
  return first;
}

beforeAll(async () => {
  await call("PUT", `/queues/${queue}`, { keyShards: 4, shards: 2 });
  await call("PUT", "/types/echo", { queue, cacheTtlSeconds: 60 });
});

describe("292 a type with cacheTtlSeconds", () => {
  it("answers an equal submission with 200, and the task is like any other from then on", async () => {
    const first = await warm({ payload: { a: 1, b: { c: 2, d: 3 } } });
    const hit = await submit({ payload: { b: { d: 3, c: 2 }, a: 1 }, tags: ["t"] });
    const { id, createdAt } = hit.body;
    const told = { id, queue, status: "SUCCEEDED", createdAt, cached: true, source: first.body.id };
    expect([hit.status, hit.body]).toEqual([200, told]);
    expect(hit.headers.get("location")).toBe(`/tasks/submissions/${id}`);
    expect((await call("GET", `/tasks/submissions/${id}`)).body).toMatchObject({
      ...{ id, status: "SUCCEEDED", cached: true, source: first.body.id, attempts: [], tags: ["t"] },
    });
    expect((await call("GET", `/tasks/${id}`)).body).toMatchObject({
      result: { b: { d: 3, c: 2 }, a: 1 },
      attempts: 0,
    });
    const { moves } = (await call("GET", `/tasks/submissions/${id}/timeline`)).body;
    expect(moves).toMatchObject([{ status: "SUCCEEDED", cause: expect.stringContaining(String(first.body.id)) }]);
  });

  it("answers in a batch those that it can: `cached` has their indexes, alone each tells its source", async () => {
    const { body } = await warm({ payload: "batched" });
    const task = { type: "echo", payload: "batched" };
    const together = await call("POST", "/tasks/submissions", { tasks: [task, { ...task, cache: "bypass" }] });
    expect(together).toMatchObject({ status: 202, body: { accepted: 2, cached: [0] } });
    const all = (atomic: boolean) => call("POST", "/tasks/submissions", { atomic, tasks: [task, task] });
    expect(await all(true)).toMatchObject({ status: 200, body: { cached: [0, 1] } });
    const alone = await all(false);
    expect(alone).toMatchObject({ status: 200, body: { results: [{ cached: true }, { cached: true }] } });
    const counted = await call("GET", `${together.headers.get("location")}&wait=20`);
    expect(counted.body).toMatchObject({ counts: { SUCCEEDED: 2 } });
    const apart = await call("POST", "/tasks/submissions", {
      atomic: false,
      tasks: [task, { ...task, payload: "new" }],
    });
    expect(apart.body.results).toMatchObject([{ cached: true, source: body.id }, { status: "QUEUED" }]);
  });

  it("202 under an Idempotency-Key repeats 200 and the body", async () => {
    await warm({ payload: "keyed" });
    // With several keyShards the key of the request decides where it goes: there the task runs.
    const alone = { headers: { "idempotency-key": "cached-key" } };
    await call("PUT", "/queues/cached-alone", {});
    const task = { type: "echo", queue: "cached-alone", payload: "keyed" };
    await ended(await call("POST", "/tasks/submissions", task));
    const first = await call("POST", "/tasks/submissions", task, alone);
    expect(first).toMatchObject({ status: 200, body: { cached: true } });
    const again = await call("POST", "/tasks/submissions", task, alone);
    expect([again.status, again.body, again.headers.get("idempotency-replayed")]).toEqual([200, first.body, "true"]);
  });

  it("is shown, is told by its handler where PUT tells nothing, and is off with 0", async () => {
    expect((await call("GET", "/types/echo")).body).toMatchObject({ queue, cacheTtlSeconds: 60 });
    expect((await call("GET", "/types/sleep")).body).toMatchObject({ cacheTtlSeconds: 0 });
    const registry = new Map(REGISTRY).set("echo", defineHandler({ ...echo, cacheTtlSeconds: 5 }));
    const fetch = serviceWith(() => ({}), { registry });
    const shown = async () => (await call("GET", "/types/echo", undefined, { fetch })).body.cacheTtlSeconds;
    expect(await shown()).toBe(60);
    expect((await call("PUT", "/types/echo", { queue }, { fetch })).body).toMatchObject({ cacheTtlSeconds: 5 });
    await warm({ payload: "by its handler" }, fetch);
    expect((await submit({ payload: "by its handler" }, fetch)).status).toBe(200);
    await call("PUT", "/types/echo", { queue, cacheTtlSeconds: 0 }, { fetch });
    expect([await shown(), (await submit({ payload: "by its handler" }, fetch)).status]).toEqual([0, 202]);
    await call("PUT", "/types/echo", { queue, cacheTtlSeconds: 60 });
  });

  it.each([[-1], [2_592_001], [1.5], ["60"]])("refuses %j with its pointer", async (cacheTtlSeconds) => {
    const reply = await call("PUT", "/types/echo", { queue, cacheTtlSeconds });
    expect(reply).toMatchObject({ status: 422, body: { errors: [{ pointer: "/cacheTtlSeconds" }] } });
  });
});

describe("293 over HTTP", () => {
  it("bypass and refresh run; another word is 422", async () => {
    await warm({ payload: "both" });
    for (const cache of ["bypass", "refresh"]) expect((await submit({ payload: "both", cache })).status).toBe(202);
    const reply = await submit({ payload: "both", cache: "no" });
    expect(reply).toMatchObject({ status: 422, body: { errors: [{ pointer: "/cache" }] } });
  });

  it("a purge is at once, over all shards; of an unknown type it is 404, and reads no body", async () => {
    const payloads = ["p1", "p2", "p3", "p4", "p5"];
    for (const payload of payloads) await warm({ payload });
    const shards = await Promise.all(payloads.map((payload) => submit({ payload })));
    expect(new Set(shards.map(({ body }) => String(body.id).split(".")[1])).size).toBeGreaterThan(1);
    expect(shards.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
    const purged = await call("POST", "/types/echo/purge-cache");
    expect(purged).toMatchObject({ status: 200, body: { type: "echo" } });
    expect(purged.body.purged).toBeGreaterThanOrEqual(5);
    for (const payload of payloads) expect((await submit({ payload })).status).toBe(202);
    expect((await call("POST", "/types/nobodys/purge-cache")).status).toBe(404);
    expect((await call("POST", "/types/echo/purge-cache", { a: 1 })).status).toBe(422);
    expect((await call("GET", "/types/echo/purge-cache")).status).toBe(404);
  });

  it("a purge that a shard does not answer is 503, and may be sent again", async () => {
    const fetch = serviceWith((real) => ({
      shard: (at) => (at.shard === 1 ? altered(real.shard(at), { purgeCache: () => silence() }) : real.shard(at)),
    }));
    const reply = await call("POST", "/types/echo/purge-cache", undefined, { fetch });
    expect(reply).toMatchObject({ status: 503, body: { code: "unavailable", retryable: true } });
  });
});
