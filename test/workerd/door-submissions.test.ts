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
  it("B1 D4 101 answers 202 with id, queue, status and where to look", async () => {
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

  it("105 goes to default where it names no queue and its type is routed nowhere", async () => {
    expect((await submit({ type: "echo", payload: 1 })).body).toMatchObject({ queue: "default" });
  });

  it("106 one that is put off is SCHEDULED and keeps what it was told", async () => {
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

  it("106 a runAt in the past is at once", async () => {
    const { body } = await submit({ type: "echo", payload: 1, queue: "inbox", runAt: "2020-01-01T00:00:00Z" });
    expect(body.status).toBe("QUEUED");
  });

  /** What is sent, and the problem and pointer that come back. */
  async function expectRefused(body: unknown, status: number, code: string, pointer: string): Promise<void> {
    const reply = await submit(body);
    expect(reply.status).toBe(status);
    expect(reply.headers.get("content-type")).toBe("application/problem+json");
    expect(reply.body).toMatchObject({ status, code, retryable: false, requestId: reply.headers.get("x-request-id") });
    expect(reply.body.errors?.map((error) => error.pointer)).toContain(pointer);
  }

  const FIELDS: [string, object, string][] = [
    ["an unknown field", { colour: "red" }, "/colour"],
    ["no type", { type: undefined }, "/type"],
    ["no payload", { payload: undefined }, "/payload"],
    ["A8 a word for a priority", { priority: "urgent" }, "/priority"],
    ["a priority of 10", { priority: 10 }, "/priority"],
    ["runAt and delaySeconds", { delaySeconds: 1, runAt: "2027-01-01T00:00:00Z" }, "/delaySeconds"],
    ["a runAt without offset", { runAt: "2027-01-01T00:00:00" }, "/runAt"],
    ["a runAt in ten years", { runAt: "2036-01-01T00:00:00Z" }, "/runAt"],
    ["too long a timeout", { timeoutMs: 600_001 }, "/timeoutMs"],
    ["a wrong retry", { retry: { maxAttempts: 0 } }, "/retry/maxAttempts"],
    ["a cap below its base", { retry: { baseMs: 2_000, capMs: 1_999 } }, "/retry/capMs"],
    ["33 tags", { tags: Array.from({ length: 33 }, () => "t") }, "/tags"],
  ];
  it.each(FIELDS)("102 106 107 154 refuses %s", async (_, field, pointer) => {
    await expectRefused({ type: "echo", payload: 1, ...field }, 422, "invalid-request", pointer);
  });

  const interest = { amount: 1_000, rate: 0.05, years: 1 };
  const ATTACKS: [string, object, string][] = [
    ["an amount with SQL", { ...interest, amount: "1000; DROP TABLE" }, "/payload/amount"],
    ["a rate with a script", { ...interest, rate: "<script>alert('XSS')</script>" }, "/payload/rate"],
    ["years with a command", { ...interest, years: "10; rm -rf /" }, "/payload/years"],
    ["a negative amount", { ...interest, amount: -1_000 }, "/payload/amount"],
    ["missing fields", { amount: 1_000 }, "/payload/rate"],
    ["half a surrogate pair", { ...interest, note: "\ud800" }, "/payload/note"],
  ];
  it.each(ATTACKS)("A8 103 refuses %s", async (_, payload, pointer) => {
    await expectRefused({ type: "compound-interest", payload }, 422, "payload-invalid", pointer);
  });

  it("102 103 names a wrong field and what is wrong in the payload at once, alone and in a batch", async () => {
    const wrong = { type: "factorial", payload: { n: -1 }, ttlSeconds: -5 };
    const pointers = ({ body }: Awaited<ReturnType<typeof submit>>) => body.errors?.map((error) => error.pointer);
    const one = await submit(wrong);
    expect(one).toMatchObject({ status: 422, body: { code: "invalid-request" } });
    expect(pointers(one)).toEqual(["/ttlSeconds", "/payload/n"]);
    const batch = await submit({ tasks: [{ type: "echo", payload: 1 }, wrong] });
    expect(pointers(batch)).toEqual(["/tasks/1/ttlSeconds", "/tasks/1/payload/n"]);
    expect(pointers(await submit({ ...wrong, type: 7 }))).toEqual(["/type", "/ttlSeconds"]);
  });

  it("104 a type that nobody has is 422 type-unknown", async () => {
    await expectRefused({ type: "nope", payload: 1 }, 422, "type-unknown", "/type");
  });

  it("179 a queue that nobody made is 404 queue-unknown", async () => {
    await expectRefused({ type: "echo", payload: 1, queue: "nowhere" }, 404, "queue-unknown", "/queue");
  });

  it("152 a payload beyond 256 KiB is 413 payload-too-large", async () => {
    await expectRefused({ type: "echo", payload: "x".repeat(262_143) }, 413, "payload-too-large", "/payload");
    expect((await submit({ type: "echo", payload: "x".repeat(262_142), queue: "inbox" })).status).toBe(202);
  });

  it("102 names every fault at once", async () => {
    const { body } = await submit({ type: 1, payload: 1, colour: 1, tags: [2], priority: "x" });
    expect(body.errors?.map((error) => error.pointer).sort()).toEqual(["/colour", "/priority", "/tags/0", "/type"]);
  });
});

describe("batches", () => {
  const echoes = (n: number, more: object = {}) =>
    Array.from({ length: n }, (_, i) => ({ type: "echo", payload: i, ...more }));

  it("109 10,000 tasks of one queue get ids in order and one batch id", async () => {
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
  ])("109 refuses %s", async (_, body, pointer) => {
    const reply = await submit(body);
    expect(reply).toMatchObject({ status: 422, body: { code: "invalid-request" } });
    expect(reply.body.errors?.map((error) => error.pointer)).toEqual([pointer]);
  });

  it("109 all or nothing: one fault, and nothing is accepted; each fault has its index", async () => {
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

  it("109 155 payloads that grow when they are written out are refused whole, not sent to be lost", async () => {
    const payload = `[${Array.from({ length: 15_000 }, () => "1e15").join(",")}]`;
    const raw = `{"tasks":[${Array.from({ length: 100 }, () => `{"type":"echo","queue":"inbox","payload":${payload}}`).join(",")}]}`;
    const headers = { "content-type": "application/json" };
    const reply = await call("POST", "/tasks/submissions", undefined, { raw, headers });
    expect(reply).toMatchObject({ status: 413, body: { code: "body-too-large" } });
  });

  it("109 all or nothing is of one queue", async () => {
    const { status, body } = await submit({
      tasks: [...echoes(2, { queue: "inbox" }), ...echoes(1, { queue: "outbox" })],
    });
    expect(status).toBe(422);
    expect(body.errors?.map((error) => error.pointer)).toEqual(["/tasks/2"]);
  });

  it("236 240 limitKeys that name several shards: 422 where it is all or nothing, else each to its own", async () => {
    await call("PUT", "/queues/keyed", { shards: 4, keyShards: 4 });
    await call("POST", "/queues/keyed/pause");
    const keyed = (limitKey: string) => ({ type: "echo", payload: 1, queue: "keyed", limitKey, fairnessKey: "f" });
    const tasks = ["a", "b", "c", "d", "e", "f", "g", "h"].map(keyed);
    const refused = await submit({ tasks });
    expect(refused).toMatchObject({ status: 422, body: { code: "invalid-request" } });
    expect(refused.body.errors?.[0]?.pointer).toMatch(/^\/tasks\/[1-7]\/limitKey$/);
    const shardsOf = async () => {
      const { body } = await submit({ tasks, atomic: false });
      return Array.from(body.results ?? [], (result) => String(result.id).split(".")[1]);
    };
    const first = await shardsOf();
    expect(new Set(first).size).toBeGreaterThan(1);
    expect(await shardsOf()).toEqual(first);
    const one = await submit({
      tasks: [...Array.from({ length: 5 }, () => keyed("e")), ...echoes(5, { queue: "keyed" })],
    });
    expect(String(one.body.batch)).toContain(`keyed.${first[4]}.`);
    const mixed = { tasks: [...tasks, ...echoes(3, { queue: "keyed" })], atomic: false };
    const key = { headers: { "idempotency-key": "mixed" } };
    const [told, again] = [
      await call("POST", "/tasks/submissions", mixed, key),
      await call("POST", "/tasks/submissions", mixed, key),
    ];
    expect(told.body).toMatchObject({ accepted: 11 });
    expect(new Set(Array.from(told.body.results ?? [], (result) => result.id)).size).toBe(11);
    expect(again.body).toEqual(told.body);
    expect((await submit({ ...keyed("a b") })).body.errors?.map((error) => error.pointer)).toEqual(["/limitKey"]);
  });

  it("110 atomic: false gives one result a task, over queues", async () => {
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
  it("156 187 of 200 submissions at once exactly as many as fit are taken, the rest is 503 with Retry-After", async () => {
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

  it("156 a batch that does not fit is refused whole; atomic: false takes what fits", async () => {
    await call("PUT", "/queues/tight", { depthLimit: 5 });
    await call("POST", "/queues/tight/pause");
    const tasks = Array.from({ length: 8 }, (_, i) => ({ type: "echo", payload: i, queue: "tight" }));
    expect(await submit({ tasks })).toMatchObject({ status: 413, body: { code: "batch-too-large", retryable: false } });
    expect((await call("GET", "/queues/tight")).body.counts?.depth).toBe(0);
    const { body } = await submit({ tasks, atomic: false });
    expect(body).toMatchObject({ accepted: 5, refused: 3 });
    expect(body.results?.slice(5)).toMatchObject(
      Array.from({ length: 3 }, () => ({ problem: { code: "queue-full" } })),
    );
  });

  it("123 where one shard is full the other one takes it: 60 fit where each holds 30", async () => {
    await call("PUT", "/queues/pair", { depthLimit: 60, shards: 2 });
    await call("POST", "/queues/pair/pause");
    const one = (payload: number) => submit({ type: "echo", payload, queue: "pair" });
    const replies = await Promise.all(Array.from({ length: 60 }, (_, i) => one(i)));
    expect(replies.map((reply) => reply.status)).toEqual(replies.map(() => 202));
    expect(await one(60)).toMatchObject({ status: 503, body: { code: "queue-full" } });
    const { body } = await call("GET", "/queues/pair");
    expect(body).toMatchObject({ counts: { depth: 60 }, shards: { asked: 2, answered: 2 } });
  });
});
