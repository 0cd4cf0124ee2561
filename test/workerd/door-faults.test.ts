/** What the door answers when objects fail, hang or lose an answer: real objects, with the fault at the ports. */
import { beforeAll, describe, expect, it } from "vitest";
import type { Ports } from "../../core/ports.ts";
import type { DirectoryRpc } from "../../core/schema/directory-rpc.ts";
import type { ShardRpc } from "../../core/schema/rpc.ts";
import { call, type Reply } from "../support/workerd/call.ts";
import { altered, serviceWith, silence } from "../support/workerd/service.ts";

type Service = (request: Request) => Promise<Response>;
const task = { type: "echo", payload: 1, queue: "faulty" };
const submit = (service: Service, body: object = task): Promise<Reply> =>
  call("POST", "/tasks/submissions", body, { fetch: service });

async function depth(): Promise<number> {
  return Number((await call("GET", "/queues/faulty")).body.counts?.depth);
}

/** What workerd throws where too much waits for an object. */
function overloaded(): Promise<never> {
  return Promise.reject(
    Object.assign(new Error("Durable Object is overloaded. Too many requests queued."), { overloaded: true }),
  );
}

function withShard(
  methods: (real: ShardRpc) => Partial<ShardRpc>,
  more: (real: Ports) => Partial<Ports> = () => ({}),
): Service {
  return serviceWith((real) => ({
    ...more(real),
    shard: (address) => {
      const stub = real.shard(address);
      return altered(stub, methods(stub));
    },
  }));
}

/** A Directory that can be switched off, and a clock that can be turned. */
function fragile(fault: () => Promise<never>) {
  const state = { away: false, aheadMs: 0, lookups: 0 };
  const service = serviceWith((real) => ({
    now: () => real.now() + state.aheadMs,
    later: (ms, run) => real.later(ms / 20, run),
    directory: (tenant) => {
      const stub = real.directory(tenant);
      const lookup: DirectoryRpc["lookup"] = (request) => {
        state.lookups++;
        return state.away ? fault() : stub.lookup(request);
      };
      return altered(stub, { lookup });
    },
  }));
  return { state, service };
}

beforeAll(async () => {
  await call("PUT", "/queues/faulty", {});
  await call("POST", "/queues/faulty/pause");
});

describe("a shard", () => {
  it("A5 113 190 that never answers a submission: 503 outcome-unknown within 3 s, and no Retry-After that would submit twice", async () => {
    const startedAt = Date.now();
    const reply = await submit(withShard(() => ({ submit: silence })));
    expect(Date.now() - startedAt).toBeLessThan(3_000);
    expect(reply).toMatchObject({ status: 503, body: { code: "outcome-unknown", retryable: false } });
    expect(reply.headers.get("retry-after")).toBeNull();
  });

  it("A5 190 that hangs beside a Directory that hangs: still within 3 s, all together", async () => {
    let away = false;
    const service = serviceWith((real) => ({
      now: () => real.now() + (away ? 6_000 : 0),
      directory: (tenant) => (away ? altered(real.directory(tenant), { lookup: silence }) : real.directory(tenant)),
      shard: (address) => (away ? altered(real.shard(address), { submit: silence }) : real.shard(address)),
    }));
    await submit(service);
    away = true;
    const startedAt = Date.now();
    expect(await submit(service)).toMatchObject({ status: 503, body: { code: "outcome-unknown" } });
    expect(Date.now() - startedAt).toBeLessThan(3_000);
  });

  it("113 whose answer is lost after the commit: outcome-unknown, and the task is not submitted again", async () => {
    const before = await depth();
    let asked = 0;
    const reply = await submit(
      withShard((real) => ({
        async submit(request) {
          asked++;
          await real.submit(request);
          throw new Error("Network connection lost.");
        },
      })),
    );
    expect(reply).toMatchObject({ status: 503, body: { code: "outcome-unknown" } });
    expect(asked).toBe(1);
    expect(await depth()).toBe(before + 1);
  });

  it("190 that is overloaded: 503 overloaded with Retry-After, nothing tried again", async () => {
    let asked = 0;
    const service = withShard(() => ({
      submit() {
        asked++;
        return overloaded();
      },
    }));
    const reply = await submit(service);
    expect(reply).toMatchObject({ status: 503, body: { code: "overloaded", retryable: true } });
    expect(Number(reply.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    expect(asked).toBe(1);
  });

  it("190 that fails a read once is read again, on a new stub", async () => {
    const { body } = await submit(serviceWith());
    let stubs = 0;
    const service = withShard((real) => {
      stubs++;
      const first = stubs === 1;
      return { read: (request) => (first ? Promise.reject(new Error("broken stub")) : real.read(request)) };
    });
    expect((await call("GET", `/tasks/submissions/${body.id}`, undefined, { fetch: service })).body).toMatchObject({
      id: body.id,
      status: "QUEUED",
    });
    expect(stubs).toBe(2);
  });

  it("A5 190 that hangs: a read is 503 unavailable within 3 s, never 404", async () => {
    const { body } = await submit(serviceWith());
    const startedAt = Date.now();
    const reply = await call("GET", `/tasks/submissions/${body.id}`, undefined, {
      fetch: withShard(() => ({ read: silence })),
    });
    expect(Date.now() - startedAt).toBeLessThan(3_000);
    expect(reply).toMatchObject({ status: 503, body: { code: "unavailable", retryable: true } });
  });

  it("183 that is away is missing from a queue's counts, and `shards` says so", async () => {
    await call("PUT", "/queues/three", { shards: 3 });
    const service = serviceWith((real) => ({
      shard: (address) =>
        address.shard === 1 ? altered(real.shard(address), { summary: overloaded }) : real.shard(address),
    }));
    const { body } = await call("GET", "/queues/three", undefined, { fetch: service });
    expect(body).toMatchObject({ counts: { depth: 0 }, shards: { asked: 3, answered: 2 } });
  });

  it("161 one bad answer among several reads spoils its own place alone", async () => {
    const good = (await submit(serviceWith())).body.id;
    await call("PUT", "/queues/lost", {});
    await call("POST", "/queues/lost/pause");
    const bad = (await submit(serviceWith(), { ...task, queue: "lost" })).body.id;
    const service = serviceWith((real) => ({
      shard: (address) =>
        address.queue === "lost" ? altered(real.shard(address), { read: overloaded }) : real.shard(address),
    }));
    const { status, body } = await call("GET", `/tasks/submissions?ids=${bad},${good}`, undefined, { fetch: service });
    expect(status).toBe(200);
    expect(body.tasks).toMatchObject([
      { id: bad, problem: { code: "overloaded", retryable: true } },
      { id: good, status: "QUEUED" },
    ]);
  });
});

describe("the Directory", () => {
  it.each<[string, () => Promise<never>]>([
    ["hangs", silence],
    ["throws", () => Promise.reject(new Error("reset"))],
    ["is overloaded", overloaded],
  ])("A5 191 that %s: what is remembered serves for 10 minutes, then 503", async (_, fault) => {
    const { state, service } = fragile(fault);
    expect((await submit(service)).status).toBe(202);
    state.away = true;
    state.aheadMs = 4_000;
    expect((await submit(service)).status).toBe(202);
    state.aheadMs = 590_000;
    expect((await submit(service)).status).toBe(202);
    state.aheadMs = 601_000;
    const reply = await submit(service);
    expect(reply.status).toBe(503);
    expect(["unavailable", "overloaded"]).toContain(reply.body.code);
    state.away = false;
    expect((await submit(service)).status).toBe(202);
  });

  it("191 is asked every 5 s and not with every request, by one request of many", async () => {
    const { state, service } = fragile(silence);
    await submit(service);
    const once = state.lookups;
    await Promise.all(Array.from({ length: 20 }, () => submit(service)));
    expect(state.lookups).toBe(once);
    state.aheadMs = 5_100;
    await Promise.all(Array.from({ length: 20 }, () => submit(service)));
    expect(state.lookups).toBe(once + 1);
  });

  it("191 that hangs is asked again by one request a second, the others do not wait for it", async () => {
    const { state, service } = fragile(silence);
    await submit(service);
    state.away = true;
    state.aheadMs = 6_000;
    const before = state.lookups;
    const replies = await Promise.all(Array.from({ length: 20 }, () => submit(service)));
    expect(replies.every((reply) => reply.status === 202)).toBe(true);
    expect(state.lookups).toBe(before + 1);
  });

  it("A5 190 193 that hangs and is not remembered: 503 unavailable, readiness too, liveness not", async () => {
    const { state, service } = fragile(silence);
    state.away = true;
    expect(await submit(service)).toMatchObject({ status: 503, body: { code: "unavailable", retryable: true } });
    expect(await call("GET", "/health/ready", undefined, { fetch: service })).toMatchObject({ status: 503 });
    expect(await call("GET", "/health/startup", undefined, { fetch: service })).toMatchObject({ status: 503 });
    expect(await call("GET", "/health/live", undefined, { fetch: service })).toMatchObject({ status: 200 });
  });

  it("C3 101 200 first requests at once: every one is accepted, though nobody knows the queue yet", async () => {
    const service = serviceWith();
    const replies = await Promise.all(
      Array.from({ length: 200 }, (_, i) => submit(service, { type: "echo", payload: i })),
    );
    expect(new Set(replies.map((reply) => reply.status))).toEqual(new Set([202]));
  });
});

describe("the deployment", () => {
  it("C6 194 a missing binding: readiness is 503 misconfigured and names the remedy, liveness stays", async () => {
    const service = serviceWith(undefined, { env: { TICKETS_2: undefined } });
    const reply = await call("GET", "/health/ready", undefined, { fetch: service });
    expect(reply).toMatchObject({ status: 503, body: { code: "misconfigured", retryable: false } });
    expect(reply.body.detail).toMatch(/TICKETS_2 is not bound\..*wrangler\.toml/);
    expect((await call("GET", "/health/live", undefined, { fetch: service })).status).toBe(200);
  });

  it("C6 194 a wrong var is a warning", async () => {
    const service = serviceWith(undefined, { env: { BODY_LIMIT: "lots" } });
    const { status, body } = await call("GET", "/health/ready", undefined, { fetch: service });
    expect(status).toBe(200);
    expect(body.warnings).toMatchObject([expect.stringContaining("BODY_LIMIT")]);
  });

  it("C6 194 a leaseMs from before CPU_MS was raised is a warning; a Directory that knows nothing of it is none", async () => {
    await call("PUT", "/queues/short-lease", { leaseMs: 41_000 });
    const service = serviceWith(undefined, { env: { CPU_MS: 32_000 } });
    const { status, body } = await call("GET", "/health/ready", undefined, { fetch: service });
    expect(status).toBe(200);
    expect(body.warnings).toMatchObject([expect.stringMatching(/^leaseMs of short-lease is not above 42000: .*PATCH/)]);

    const older = serviceWith((real) => ({
      directory: (tenant) =>
        altered(real.directory(tenant), { shortLeases: () => Promise.reject(new TypeError("no such method")) }),
    }));
    const told = await call("GET", "/health/ready", undefined, { fetch: older });
    expect(told).toMatchObject({ status: 200, body: { status: "ready", warnings: [] } });
  });

  it("A10 193 readiness shows D1 away, and is ready all the same", async () => {
    const service = serviceWith(() => ({ history: () => null }));
    const { status, body } = await call("GET", "/health/ready", undefined, { fetch: service });
    expect(status).toBe(200);
    expect(body).toMatchObject({ status: "degraded", components: { directory: "ok", history: "unreachable" } });
  });
});
