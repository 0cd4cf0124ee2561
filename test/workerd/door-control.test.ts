/** What is done to a submitted task at the door: answers that are lost, revisions, and what is wrong with a change. */
import { beforeAll, describe, expect, it, vi } from "vitest";
import type { ShardRpc } from "../../core/schema/rpc.ts";
import { call } from "../support/workerd/call.ts";
import { altered, serviceWith } from "../support/workerd/service.ts";

const task = { type: "echo", payload: { n: 1 }, queue: "control" };
async function submitted(more: object = {}): Promise<string> {
  return `/tasks/submissions/${(await call("POST", "/tasks/submissions", { ...task, ...more })).body.id}`;
}

beforeAll(async () => {
  await call("PUT", "/queues/control", {});
  await call("POST", "/queues/control/pause");
});

/** A shard that does what it is asked to, and whose answer to that is lost. */
function deaf(method: "change" | "cancel") {
  let asked = 0;
  const fetch = serviceWith((real) => ({
    shard(address) {
      const stub = real.shard(address);
      const lost = async (request: Parameters<ShardRpc["change"]>[0]) => {
        asked++;
        await (method === "change" ? stub.change(request) : stub.cancel(request));
        throw new Error("Network connection lost.");
      };
      return altered(stub, { [method]: lost });
    },
  }));
  return { fetch, asked: () => asked };
}

describe("223 where the answer is lost", () => {
  it("a PATCH is 503 outcome-unknown, and is not sent a second time", async () => {
    const path = await submitted();
    const { fetch, asked } = deaf("change");
    const reply = await call("PATCH", path, { priority: 9 }, { fetch });
    expect(reply).toMatchObject({ status: 503, body: { code: "outcome-unknown", retryable: false } });
    expect([asked(), reply.headers.get("retry-after")]).toEqual([1, null]);
    expect((await call("GET", path)).body).toMatchObject({ priority: 9, rev: 2 });
  });

  it("a run-now and a cancellation, which do the same twice, are sent again, and are 503 unavailable then", async () => {
    const path = await submitted({ delaySeconds: 60 });
    for (const [method, verb] of [
      ["change", "run-now"],
      ["cancel", "cancel"],
    ] as const) {
      const { fetch, asked } = deaf(method);
      const reply = await call("POST", `${path}/${verb}`, undefined, { fetch });
      expect(reply).toMatchObject({ status: 503, body: { code: "unavailable", retryable: true } });
      expect(asked()).toBe(2);
    }
  });
});

describe("222 If-Match", () => {
  it("with another revision of a task that has ended is 412, with its own 409, also where D1 alone has it", async () => {
    const path = await submitted();
    const { rev } = (await call("POST", `${path}/cancel`)).body;
    const left = async () => (await call("GET", "/queues/control")).body.counts?.outboxRows;
    await vi.waitUntil(async () => (await left()) === 0, { timeout: 10_000 });
    const changed = (told: number) => call("PATCH", path, { priority: 1 }, { headers: { "if-match": `"${told}"` } });
    expect(await changed(Number(rev) - 1)).toMatchObject({ status: 412, body: { code: "rev-mismatch" } });
    expect(await changed(Number(rev))).toMatchObject({ status: 409, body: { code: "task-finished" } });
  });

  it("of another revision stops a cancellation and a deletion too, and of its own none", async () => {
    const path = await submitted();
    const told = (rev: number) => ({ headers: { "if-match": `"${rev}"` } });
    await call("PATCH", path, { priority: 9 });
    const mismatch = { status: 412, body: { code: "rev-mismatch" } };
    expect(await call("POST", `${path}/cancel`, undefined, told(99))).toMatchObject(mismatch);
    expect((await call("GET", path)).body).toMatchObject({ status: "QUEUED", rev: 2 });
    expect(await call("POST", `${path}/cancel`, undefined, told(2))).toMatchObject({ status: 200, body: { rev: 3 } });
    expect(await call("DELETE", path, undefined, told(2))).toMatchObject(mismatch);
    const left = async () => (await call("GET", "/queues/control")).body.counts?.outboxRows;
    await vi.waitUntil(async () => (await left()) === 0, { timeout: 10_000 });
    expect(await call("POST", `${path}/cancel`, undefined, told(2))).toMatchObject(mismatch);
    expect(await call("DELETE", path, undefined, told(2))).toMatchObject(mismatch);
    expect((await call("DELETE", path, undefined, told(3))).status).toBe(204);
    expect((await call("DELETE", path, undefined, told(3))).status).toBe(204);
  });

  it("of a cancellation whose answer is lost: it is not sent again, since its own doing is another revision", async () => {
    const path = await submitted();
    const { fetch, asked } = deaf("cancel");
    const reply = await call("POST", `${path}/cancel`, undefined, { fetch, headers: { "if-match": '"1"' } });
    expect([reply.status, reply.body.code, asked()]).toEqual([503, "outcome-unknown", 1]);
  });

  it.each(["", " ", '""', '"1", "2"', 'W/"1"', "1"])("of %j is 422, and nothing is changed", async (told) => {
    const path = await submitted();
    // On its way into workerd an empty header is lost, so the Worker is handed the request itself.
    const options = { headers: { "if-match": told }, fetch: serviceWith() };
    const reply = await call("PATCH", path, { priority: 1 }, options);
    expect(reply).toMatchObject({ status: 422, body: { errors: [{ pointer: "If-Match:" }] } });
    expect((await call("GET", path)).body).toMatchObject({ rev: 1, priority: 5 });
  });
});

describe("221 a change", () => {
  it.each([
    [{ delaySeconds: 60 }, "/delaySeconds"],
    [{ runAt: "2030-01-01T00:00:00Z" }, "/runAt"],
  ])("to a time at which the task has expired is 422 and names what told it: %j", async (patch, pointer) => {
    const path = await submitted({ ttlSeconds: 30 });
    const within = "runAt" in patch ? { runAt: new Date(Date.now() + 60_000).toISOString() } : patch;
    expect(await call("PATCH", path, within)).toMatchObject({ status: 422, body: { errors: [{ pointer }] } });
  });
});

describe("218 a cancellation", () => {
  it("of a task that has EXPIRED is 409", async () => {
    const path = await submitted({ ttlSeconds: 0.05 });
    expect((await call("GET", `${path}?wait=10`)).body).toMatchObject({ status: "EXPIRED" });
    expect(await call("POST", `${path}/cancel`)).toMatchObject({ status: 409, body: { code: "task-finished" } });
  });
});

it.each([
  ["POST", "/queues/control/pause", "If-Match"],
  ["PUT", "/queues/control", "If-Match"],
  ["GET", "/queues/control", "If-Match"],
  ["POST", "/queues/control/resume", "Idempotency-Key"],
  ["POST", "/tasks/submissions/control.0.0000000000a/cancel", "Idempotency-Key"],
  ["PATCH", "/queues/control", "Idempotency-Key"],
])("199 %s %s would ignore the header %s, and is 422", async (method, path, name) => {
  const reply = await call(method, path, undefined, { headers: { [name]: '"1"' } });
  expect(reply).toMatchObject({ status: 422, body: { errors: [{ pointer: `${name}:` }] } });
});

it("199 278 a replay with a body of null is 422, one without a body is not", async () => {
  const path = await submitted();
  await call("POST", `${path}/cancel`);
  expect(await call("POST", `${path}/replay`, null)).toMatchObject({ status: 422, body: { code: "invalid-request" } });
  expect(await call("POST", `${path}/replay`)).toMatchObject({ status: 202 });
});
