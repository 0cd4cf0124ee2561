/** POST /tasks/submissions over HTTP, on the real Directory and shards. */
import { beforeAll, describe, expect, it } from "vitest";
import { call, type Reply } from "../support/workerd/call.ts";

const submit = (body: unknown): Promise<Reply> => call("POST", "/tasks/submissions", body);
const ID = /^[\w-]+\.\d+\.[0-9a-v]{11}$/;

beforeAll(async () => {
  for (const queue of ["inbox", "outbox"]) {
    await call("PUT", `/queues/${queue}`, {});
    await call("POST", `/queues/${queue}/pause`);
  }
});

describe("one task", () => {
  it("B1 D4 202 with id, queue, status and where to look", async () => {
    const { status, headers, body } = await submit({ type: "echo", payload: { hello: "world" }, queue: "inbox" });
    expect(status).toBe(202);
    expect(body).toEqual({
      id: expect.stringMatching(/^inbox\.0\.[0-9a-v]{11}$/),
      queue: "inbox",
      status: "QUEUED",
      createdAt: expect.stringMatching(/^\d{4}-.*Z$/),
    });
    expect(headers.get("location")).toBe(`/tasks/submissions/${body.id}`);
  });

  it("1xx goes to default where it names no queue and its type is routed nowhere", async () => {
    expect((await submit({ type: "echo", payload: 1 })).body).toMatchObject({ queue: "default" });
  });

  it("1xx one that is put off is SCHEDULED and keeps what it was told", async () => {
    const { body } = await submit({
      type: "echo",
      payload: null,
      queue: "inbox",
      priority: "critical",
      delaySeconds: 3_600,
      tags: ["a"],
      timeoutMs: 1_000,
      retry: { maxAttempts: 1 },
      maxCrashes: 2,
      onCrash: "fail",
      resultTtlSeconds: 60,
    });
    expect(body.status).toBe("SCHEDULED");
    const read = await call("GET", `/tasks/submissions/${body.id}`);
    expect(read.body).toMatchObject({ status: "SCHEDULED", priority: 9, tags: ["a"], type: "echo", queue: "inbox" });
    const due = Date.parse(String(read.body.runAt)) - Date.parse(String(read.body.createdAt));
    expect(due).toBeGreaterThan(3_599_000);
    expect(due).toBeLessThan(3_601_000);
  });

  it("1xx a runAt in the past is at once", async () => {
    const { body } = await submit({ type: "echo", payload: 1, queue: "inbox", runAt: "2020-01-01T00:00:00Z" });
    expect(body.status).toBe("QUEUED");
  });

  const table: [string, unknown, number, string, string][] = [
    ["an unknown field", { type: "echo", payload: 1, colour: "red" }, 422, "invalid-request", "/colour"],
    ["no type", { payload: 1 }, 422, "invalid-request", "/type"],
    ["no payload", { type: "echo" }, 422, "invalid-request", "/payload"],
    ["a list", [1], 422, "invalid-request", ""],
    ["a word for a priority", { type: "echo", payload: 1, priority: "urgent" }, 422, "invalid-request", "/priority"],
    ["a priority of 10", { type: "echo", payload: 1, priority: 10 }, 422, "invalid-request", "/priority"],
    [
      "runAt and delaySeconds",
      { type: "echo", payload: 1, delaySeconds: 1, runAt: "2027-01-01T00:00:00Z" },
      422,
      "invalid-request",
      "/delaySeconds",
    ],
    [
      "a runAt without offset",
      { type: "echo", payload: 1, runAt: "2027-01-01T00:00:00" },
      422,
      "invalid-request",
      "/runAt",
    ],
    [
      "a runAt in ten years",
      { type: "echo", payload: 1, runAt: "2036-01-01T00:00:00Z" },
      422,
      "invalid-request",
      "/runAt",
    ],
    ["too long a timeout", { type: "echo", payload: 1, timeoutMs: 600_001 }, 422, "invalid-request", "/timeoutMs"],
    [
      "a wrong retry",
      { type: "echo", payload: 1, retry: { maxAttempts: 0 } },
      422,
      "invalid-request",
      "/retry/maxAttempts",
    ],
    ["an unknown type", { type: "nope", payload: 1 }, 422, "type-unknown", "/type"],
    ["an unknown queue", { type: "echo", payload: 1, queue: "nowhere" }, 404, "queue-unknown", "/queue"],
    ["too large a payload", { type: "echo", payload: "x".repeat(262_143) }, 413, "payload-too-large", "/payload"],
    ["half a surrogate pair", { type: "echo", payload: ["\ud800"] }, 422, "payload-invalid", "/payload/0"],
    [
      "A8 an amount with SQL",
      { type: "compound-interest", payload: { amount: "1000; DROP TABLE", rate: 0.05, years: 1 } },
      422,
      "payload-invalid",
      "/payload/amount",
    ],
    [
      "A8 a rate with a script",
      { type: "compound-interest", payload: { amount: 1, rate: "<script>alert('XSS')</script>", years: 1 } },
      422,
      "payload-invalid",
      "/payload/rate",
    ],
    [
      "A8 years with a command",
      { type: "compound-interest", payload: { amount: 1, rate: 0.1, years: "10; rm -rf /" } },
      422,
      "payload-invalid",
      "/payload/years",
    ],
    [
      "A8 a negative amount",
      { type: "compound-interest", payload: { amount: -1000, rate: 0.1, years: 1 } },
      422,
      "payload-invalid",
      "/payload/amount",
    ],
    [
      "A8 missing fields",
      { type: "compound-interest", payload: { amount: 1000 } },
      422,
      "payload-invalid",
      "/payload/rate",
    ],
  ];
  it.each(table)("1xx refuses %s", async (_, body, status, code, pointer) => {
    const reply = await submit(body);
    expect(reply.status).toBe(status);
    expect(reply.headers.get("content-type")).toBe("application/problem+json");
    expect(reply.body).toMatchObject({ status, code, retryable: false, requestId: reply.headers.get("x-request-id") });
    expect(reply.body.errors?.map((error) => error.pointer)).toContain(pointer);
  });

  it("1xx names every fault at once", async () => {
    const { body } = await submit({ type: 1, payload: 1, colour: 1, tags: [2], priority: "x" });
    expect(body.errors?.map((error) => error.pointer).sort()).toEqual(["/colour", "/priority", "/tags/0", "/type"]);
  });
});

describe("batches", () => {
  const echoes = (n: number, more: object = {}) =>
    Array.from({ length: n }, (_, i) => ({ type: "echo", payload: i, ...more }));

  it("1xx 10,000 tasks of one queue get ids in order and one batch id", async () => {
    await call("PUT", "/queues/bulk", { depthLimit: 20_000 });
    await call("POST", "/queues/bulk/pause");
    const { status, headers, body } = await submit({ tasks: echoes(10_000, { queue: "bulk" }) });
    expect(status).toBe(202);
    expect(body).toMatchObject({
      accepted: 10_000,
      queue: "bulk",
      batch: expect.stringMatching(/^bulk\.0\.[0-9a-v]{11}\.10000$/),
    });
    const ids = Array.from(body.ids ?? [], String);
    expect(ids).toHaveLength(10_000);
    expect(ids.every((id) => ID.test(id))).toBe(true);
    expect(ids.toSorted()).toEqual(ids);
    expect(headers.get("location")).toBe(`/tasks/submissions?batch=${body.batch}`);
    const counted = await call("GET", String(headers.get("location")));
    expect(counted.body).toMatchObject({
      tasks: 10_000,
      counts: { QUEUED: 10_000, SUCCEEDED: 0 },
      finished: 0,
      gone: 0,
    });
  });

  it.each<[string, unknown, string]>([
    ["an empty one", { tasks: [] }, "/tasks"],
    ["one of 10,001", { tasks: Array.from({ length: 10_001 }, () => 1) }, "/tasks"],
    ["an unknown field beside tasks", { tasks: echoes(1), queue: "inbox" }, "/queue"],
    ["no list", { tasks: { 0: 1 } }, "/tasks"],
  ])("1xx refuses %s", async (_, body, pointer) => {
    const reply = await submit(body);
    expect(reply).toMatchObject({ status: 422, body: { code: "invalid-request" } });
    expect(reply.body.errors?.map((error) => error.pointer)).toEqual([pointer]);
  });

  it("1xx all or nothing: one fault, and nothing is accepted; each fault has its index", async () => {
    const before = await call("GET", "/queues/inbox");
    const tasks: unknown[] = echoes(50, { queue: "inbox" });
    tasks[7] = { type: "echo", payload: 1, queue: "inbox", priority: "no" };
    tasks[31] = { type: "factorial", payload: { n: -1 }, queue: "inbox" };
    const { status, body } = await submit({ tasks });
    expect(status).toBe(422);
    expect(body.errors?.map((error) => error.pointer)).toEqual(["/tasks/7/priority", "/tasks/31/payload/n"]);
    const after = await call("GET", "/queues/inbox");
    expect(after.body.counts?.depth).toBe(before.body.counts?.depth);
  });

  it("1xx all or nothing is of one queue", async () => {
    const { status, body } = await submit({
      tasks: [...echoes(2, { queue: "inbox" }), ...echoes(1, { queue: "outbox" })],
    });
    expect(status).toBe(422);
    expect(body.errors?.map((error) => error.pointer)).toEqual(["/tasks/2"]);
  });

  it("1xx atomic: false gives one result a task, over queues", async () => {
    const tasks = [
      { type: "echo", payload: 1, queue: "inbox" },
      { type: "nope", payload: 1 },
      { type: "echo", payload: 2, queue: "outbox", delaySeconds: 60 },
      { type: "factorial", payload: { n: "many" }, queue: "inbox" },
      "rubbish",
    ];
    const { status, body } = await submit({ tasks, atomic: false });
    expect(status).toBe(202);
    expect(body).toMatchObject({
      accepted: 2,
      refused: 3,
      results: [
        { id: expect.stringMatching(/^inbox\./), queue: "inbox", status: "QUEUED" },
        { problem: { code: "type-unknown", status: 422, errors: [{ pointer: "/tasks/1/type" }] } },
        { id: expect.stringMatching(/^outbox\./), queue: "outbox", status: "SCHEDULED" },
        { problem: { code: "payload-invalid", errors: [{ pointer: "/tasks/3/payload/n" }] } },
        { problem: { code: "invalid-request", errors: [{ pointer: "/tasks/4" }] } },
      ],
    });
  });
});

describe("a full queue", () => {
  it("1xx 200 submissions at once: the depth limit is exact, the rest is 503 with Retry-After", async () => {
    await call("PUT", "/queues/small", { depthLimit: 120 });
    await call("POST", "/queues/small/pause");
    const replies = await Promise.all(
      Array.from({ length: 200 }, (_, i) => submit({ type: "echo", payload: i, queue: "small" })),
    );
    const accepted = replies.filter((reply) => reply.status === 202);
    const refused = replies.filter((reply) => reply.status === 503);
    expect(accepted).toHaveLength(120);
    expect(refused).toHaveLength(80);
    expect(new Set(accepted.map((reply) => String(reply.body.id))).size).toBe(120);
    for (const reply of refused) {
      expect(reply.body).toMatchObject({ code: "queue-full", retryable: true });
      expect(Number(reply.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    }
  });

  it("1xx a batch that does not fit is refused whole; atomic: false takes what fits", async () => {
    await call("PUT", "/queues/tight", { depthLimit: 5 });
    await call("POST", "/queues/tight/pause");
    const tasks = Array.from({ length: 8 }, (_, i) => ({ type: "echo", payload: i, queue: "tight" }));
    expect((await submit({ tasks })).body).toMatchObject({ code: "queue-full" });
    expect((await call("GET", "/queues/tight")).body.counts?.depth).toBe(0);
    const { body } = await submit({ tasks, atomic: false });
    expect(body).toMatchObject({ accepted: 5, refused: 3 });
    expect(body.results?.slice(5)).toMatchObject(
      Array.from({ length: 3 }, () => ({ problem: { code: "queue-full" } })),
    );
  });

  it("1xx where one shard is full the other one takes it", async () => {
    await call("PUT", "/queues/pair", { depthLimit: 60, shards: 2 });
    await call("POST", "/queues/pair/pause");
    const replies = await Promise.all(
      Array.from({ length: 70 }, (_, i) => submit({ type: "echo", payload: i, queue: "pair" })),
    );
    expect(replies.filter((reply) => reply.status === 202)).toHaveLength(60);
    const { body } = await call("GET", "/queues/pair");
    expect(body).toMatchObject({ counts: { depth: 60 }, shards: { asked: 2, answered: 2 } });
  });
});
