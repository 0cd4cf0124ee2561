/** Idempotency-Key over HTTP, on real objects: what is answered again, what is refused, and when the door asks twice. */
import { beforeAll, describe, expect, it } from "vitest";
import type { ShardRpc } from "../../core/schema/rpc.ts";
import { call, type Reply } from "../support/workerd/call.ts";
import { altered, serviceWith, silence } from "../support/workerd/service.ts";

type Service = (request: Request) => Promise<Response>;
const task = { type: "echo", payload: 1, queue: "keyed" };

function submit(key: string, body: object = task, fetch?: Service): Promise<Reply> {
  return call("POST", "/tasks/submissions", body, { headers: { "idempotency-key": key }, ...(fetch && { fetch }) });
}

async function depth(queue = "keyed"): Promise<number> {
  return Number((await call("GET", `/queues/${queue}`)).body.counts?.depth);
}

function withSubmit(change: (real: ShardRpc) => ShardRpc["submit"]): Service {
  return serviceWith((real) => ({
    shard: (address) => {
      const stub = real.shard(address);
      return altered(stub, { submit: change(stub) });
    },
  }));
}

beforeAll(async () => {
  await call("PUT", "/queues/keyed", { shards: 3, keyShards: 4 });
  for (const queue of ["second", "third"]) await call("PUT", `/queues/${queue}`, {});
  for (const queue of ["keyed", "second", "third"]) await call("POST", `/queues/${queue}/pause`);
});

describe("202 the same key and body", () => {
  it.each([
    ["one task", { ...task, delaySeconds: 60 }],
    ["a batch", { tasks: [task, { ...task, priority: 9 }] }],
    [
      "tasks each for itself",
      { atomic: false, tasks: [task, { ...task, type: "nobody" }, { ...task, delaySeconds: 5 }] },
    ],
  ])("%s: the first status and body, and Idempotency-Replayed", async (name, body) => {
    const first = await submit(`same ${name}`.replaceAll(" ", "-"), body);
    expect(first.status).toBe(202);
    expect(first.headers.get("idempotency-replayed")).toBeNull();
    const before = await depth();
    const again = await submit(`same ${name}`.replaceAll(" ", "-"), body);
    expect([again.status, again.body]).toEqual([202, first.body]);
    expect(again.headers.get("location")).toBe(first.headers.get("location"));
    expect(again.headers.get("idempotency-replayed")).toBe("true");
    expect(await depth()).toBe(before);
  });

  it("201 are of one queue: at another one the key is free", async () => {
    const here = await submit("two-queues");
    const there = await submit("two-queues", { ...task, queue: "second" });
    expect([here.body.queue, there.body.queue]).toEqual(["keyed", "second"]);
    expect(there.headers.get("idempotency-replayed")).toBeNull();
  });

  it("of several queues: each part is told again, and only a whole replay says so", async () => {
    const body = { atomic: false, tasks: [task, { ...task, queue: "second" }] };
    const first = await submit("parts", body);
    const again = await submit("parts", body);
    expect([again.body, again.headers.get("idempotency-replayed")]).toEqual([first.body, "true"]);
    const other = await submit("parts", { atomic: false, tasks: [task, { ...task, queue: "third" }] });
    expect(other.headers.get("idempotency-replayed")).toBeNull();
    expect(other.body.results).toMatchObject([
      { problem: { code: "idempotency-key-reused" } },
      { queue: "third", status: "QUEUED" },
    ]);
  });
});

describe("203 a key", () => {
  it.each([[{ ...task, payload: 2 }], [{ tasks: [task] }], [{ atomic: false, tasks: [task] }]])(
    "with another body is 422 idempotency-key-reused: %j",
    async (body) => {
      await submit("another");
      const before = await depth();
      const reply = await submit("another", body);
      expect(reply).toMatchObject({ status: 422, body: { code: "idempotency-key-reused", retryable: false } });
      expect(await depth()).toBe(before);
    },
  );

  it.each(["", "with space", "k".repeat(256)])(
    "201 that cannot be one is 422 and names the header: %j",
    async (key) => {
      const reply = await submit(key);
      expect(reply).toMatchObject({ status: 422, body: { code: "invalid-request" } });
      expect(reply.body.errors).toMatchObject([{ pointer: "Idempotency-Key:" }]);
    },
  );

  it("is not taken by a submission that was refused", async () => {
    expect(await submit("mended", { ...task, priority: 99 })).toMatchObject({ status: 422 });
    expect(await submit("mended")).toMatchObject({ status: 202 });
  });
});

describe("202 a body that names a time", () => {
  it("is answered alike after that time; new under its key, it is refused as it would be without one", async () => {
    const brief = { ...task, expiresAt: new Date(Date.now() + 300).toISOString() };
    const first = await submit("brief", brief);
    expect(first.status).toBe(202);
    await call("GET", `/tasks/submissions/${first.body.id}?wait=20`);
    const again = await submit("brief", brief);
    expect([again.status, again.body]).toEqual([202, first.body]);
    for (const body of [brief, { tasks: [task, brief] }, { ...brief, expiresAt: "2020-01-01T00:00:00Z" }])
      expect(await submit(`late-${JSON.stringify(body).length}`, body)).toMatchObject({
        status: 422,
        body: { code: "invalid-request", errors: [{ pointer: "tasks" in body ? "/tasks/1/expiresAt" : "/expiresAt" }] },
      });
    expect(await submit("late-each", { atomic: false, tasks: [task, brief] })).toMatchObject({
      status: 202,
      body: { accepted: 1, results: [{}, { problem: { code: "invalid-request" } }] },
    });
  });
});

describe("204 an answer that is lost, under a key", () => {
  it("is asked for once more, and the task is one", async () => {
    const before = await depth();
    let asked = 0;
    const service = withSubmit((real) => async (request) => {
      const answer = await real.submit(request);
      if (++asked === 1) throw new Error("Network connection lost.");
      return answer;
    });
    const reply = await submit("lost", task, service);
    expect(reply.status).toBe(202);
    expect(asked).toBe(2);
    expect(await depth()).toBe(before + 1);
    expect((await submit("lost")).body).toEqual(reply.body);
  });

  it("A5 113 190 and never comes: 503 unavailable within 3 s, with Retry-After, because to come again is safe", async () => {
    const startedAt = Date.now();
    let asked = 0;
    const service = withSubmit(() => () => {
      asked++;
      return silence();
    });
    const reply = await submit("silent", task, service);
    expect(Date.now() - startedAt).toBeLessThan(3_000);
    expect(reply).toMatchObject({ status: 503, body: { code: "unavailable", retryable: true } });
    expect(Number(reply.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    expect(asked).toBe(2);
  });
});
