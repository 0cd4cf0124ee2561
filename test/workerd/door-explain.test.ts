/** `/explain` and `/queues/{queue}/next` over HTTP, on real objects. */
import { beforeAll, describe, expect, it } from "vitest";
import { call, type Json } from "../support/workerd/call.ts";
import { altered, serviceWith, silence } from "../support/workerd/service.ts";

const submit = async (body: object): Promise<string> =>
  String((await call("POST", "/tasks/submissions", body)).body.id);
const explain = (id: string) => call("GET", `/tasks/submissions/${id}/explain`);
const idsOf = (body: Json) => (body.next ?? []).map(({ id }) => id);
const held = { type: "echo", payload: "x", queue: "told" };

beforeAll(async () => {
  for (const queue of ["told", "told-run"]) await call("PUT", `/queues/${queue}`, {});
  await call("PUT", "/queues/told-many", { shards: 3, keyShards: 3 });
  for (const queue of ["told", "told-many"]) await call("POST", `/queues/${queue}/pause`);
});

describe("276 why a task waits", () => {
  it("is a list of reasons, each with its code, a sentence and its numbers, and the earliest start", async () => {
    const id = await submit({ ...held, delaySeconds: 60, ttlSeconds: 600 });
    const { status, body } = await explain(id);
    expect([status, body.status, body.queue]).toEqual([200, "SCHEDULED", "told"]);
    expect(body).toMatchObject({ id, earliestStart: null, decidedBy: "paused" });
    expect(body.reasons?.map(({ code }) => code)).toEqual(["paused", "scheduled", "expires"]);
    for (const { detail } of body.reasons ?? []) expect(String(detail)).toMatch(/^[A-Z].*\.$/);
    expect(Date.parse(String(body.reasons?.[1]?.until))).toBeGreaterThan(Date.parse(String(body.asOf)));
  });

  it("277 of one that has ended it says how, in its shard or in history; of none that never was", async () => {
    const id = await submit({ ...held, queue: "told-run" });
    await call("GET", `/tasks/submissions/${id}?wait=20`);
    const { body } = await explain(id);
    expect(body).toMatchObject({ id, status: "SUCCEEDED", ended: { attempts: 1 } });
    expect(String(body.summary)).toMatch(/^It succeeded at /);
    expect(body).not.toHaveProperty("reasons");
    const gone = serviceWith((real) => ({
      shard: (at) => altered(real.shard(at), { explain: async () => ({ v: 1, ok: true, explanation: null }) }),
    }));
    await expect
      .poll(async () => (await call("GET", `/tasks/submissions/${id}/explain`, undefined, { fetch: gone })).body.status)
      .toBe("SUCCEEDED");
    for (const [unknown, status] of [
      ["told.0.00000000001", 410],
      ["nowhere.0.06uv7cp0800", 404],
      ["x", 404],
    ] as const)
      expect((await explain(unknown)).status, unknown).toBe(status);
    expect((await call("GET", `/tasks/submissions/${id}/explain?x=1`)).body.errors?.[0]?.pointer).toBe("?x");
  });
});

describe("261 what is next", () => {
  it("is in the order in which it starts, up to n", async () => {
    const low = await submit({ ...held, priority: "low" });
    const first = await submit(held);
    const second = await submit({ ...held, limitKey: "acme", fairnessKey: "f" });
    const urgent = await submit({ ...held, priority: 9 });
    const { status, body } = await call("GET", "/queues/told/next");
    expect([status, idsOf(body)]).toEqual([200, [urgent, first, second, low]]);
    expect(body).toMatchObject({
      queue: "told",
      mayStart: 0,
      queued: 4,
      exact: true,
      shards: { asked: 1, answered: 1 },
    });
    expect(body.next?.[2]).toMatchObject({ type: "echo", priority: 5, limitKey: "acme", fairnessKey: "f" });
    expect(body.heldBack).toMatchObject([{ code: "paused", count: 4 }]);
    expect(idsOf((await call("GET", "/queues/told/next?n=1")).body)).toEqual([urgent]);
  });

  it("247 tells to what its age has raised a task", async () => {
    await call("PUT", "/queues/told-age", { ageStepMs: 100 });
    await call("POST", "/queues/told-age/pause");
    await submit({ ...held, queue: "told-age", priority: 2 });
    const raised = async () => Number((await call("GET", "/queues/told-age/next")).body.next?.[0]?.raisedTo);
    await expect.poll(raised).toBeGreaterThan(2);
  });

  it("199 asks for a queue that is there, and 1 to 100 of its tasks", async () => {
    expect(await call("GET", "/queues/told-never/next")).toMatchObject({
      status: 404,
      body: { code: "queue-unknown" },
    });
    for (const n of ["0", "101", "x", "-1", "1.5"])
      expect(await call("GET", `/queues/told/next?n=${n}`), n).toMatchObject({
        status: 422,
        body: { errors: [{ pointer: "?n" }] },
      });
    expect((await call("POST", "/queues/told/next")).status).toBe(405);
  });

  it("261 276 a share of the queue's concurrency is told as this shard's", async () => {
    await call("PUT", "/queues/told-share", { shards: 4, concurrency: 4 });
    const ids: string[] = [];
    for (let i = 0; i < 3; i++)
      ids.push(await submit({ type: "sleep", payload: { ms: 2_000 }, queue: "told-share", limitKey: `k${i}` }));
    const words = "This shard's share of the queue's 4 (4 shards) is 1 at once";
    const { body } = await call("GET", `/tasks/submissions/${ids[2]}/explain`);
    expect(JSON.stringify(body.reasons)).toContain(words);
    expect(JSON.stringify((await call("GET", "/queues/told-share/next")).body)).toContain(words);
  });

  it("263 of several shards is one list that says it is no promise; a silent one is missing from it", async () => {
    const ids = await Promise.all(Array.from({ length: 12 }, () => submit({ ...held, queue: "told-many" })));
    const { body } = await call("GET", "/queues/told-many/next");
    expect([...idsOf(body)].sort()).toEqual([...ids].sort());
    expect(body).toMatchObject({ exact: false, queued: 12, shards: { asked: 3, answered: 3 } });
    const deaf = serviceWith((real) => ({
      later: (ms, run) => real.later(Math.min(ms, 50), run),
      shard: (at) => (at.shard === 1 ? altered(real.shard(at), { next: () => silence() }) : real.shard(at)),
    }));
    const partly = (await call("GET", "/queues/told-many/next", undefined, { fetch: deaf })).body;
    expect(partly).toMatchObject({ exact: false, shards: { asked: 3, answered: 2 } });
    expect(idsOf(partly).every((id) => String(id).split(".")[1] !== "1")).toBe(true);
  });
});
