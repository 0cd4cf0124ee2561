/** Reads by id: status, waiting, results, several at once, batches. */
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { platformPorts } from "../../ports.ts";
import { runScheduled } from "../../src/scheduled.ts";
import { call, type Reply } from "../support/workerd/call.ts";
import { serviceWith } from "../support/workerd/service.ts";

const PATIENCE = { timeout: 10_000, interval: 20 };
const submit = async (task: object): Promise<string> =>
  String((await call("POST", "/tasks/submissions", task)).body.id);
const wait = (id: string): Promise<Reply> => call("GET", `/tasks/submissions/${id}?wait=20`);
const result = (id: string): Promise<Reply> => call("GET", `/tasks/${id}`);

beforeAll(async () => {
  await call("PUT", "/queues/held", {});
  await call("POST", "/queues/held/pause");
});

describe("a task that runs", () => {
  it("B1 D4 159 is waited for, then gives its result", async () => {
    const id = await submit({ type: "compound-interest", payload: { amount: 1_000, rate: 0.05, years: 2 } });
    const status = await wait(id);
    expect(status.body).toMatchObject({
      id,
      status: "SUCCEEDED",
      attempts: [{ attempt: 1, outcome: "succeeded", error: null }],
    });
    const { body } = await result(id);
    expect(body).toMatchObject({ id, status: "SUCCEEDED", resultType: "object", attempts: 1 });
  });

  it.each<[unknown, string]>([
    ["text", "string"],
    [12.5, "number"],
    [-1, "number"],
    [true, "boolean"],
    [null, "null"],
    [[1, "2"], "array"],
    [{ a: { b: '"' } }, "object"],
  ])("160 a result comes back as it was: %j", async (payload, resultType) => {
    const id = await submit({ type: "echo", payload });
    await wait(id);
    expect((await result(id)).body).toEqual({ id, status: "SUCCEEDED", result: payload, resultType, attempts: 1 });
  });

  it("B1 160 163 a FAILED one is 200 with its error, and without its stack", async () => {
    const id = await submit({ type: "fail", payload: { times: 9 }, retry: { maxAttempts: 1 } });
    expect((await wait(id)).body).toMatchObject({ status: "FAILED", error: { code: "handler-error" } });
    const { status, body } = await result(id);
    expect(status).toBe(200);
    expect(body).toMatchObject({ id, status: "FAILED", resultType: "error", error: { code: "handler-error" } });
    expect(JSON.stringify(body)).not.toContain("stack");
  });

  it("160 a result past its resultTtlSeconds is 410, its status still there", async () => {
    const id = await submit({ type: "echo", payload: 1, resultTtlSeconds: 0 });
    expect((await wait(id)).body.status).toBe("SUCCEEDED");
    expect(await result(id)).toMatchObject({ status: 410, body: { code: "result-expired" } });
  });
});

describe("a task that waits", () => {
  it("B1 160 is 409 with Retry-After where its result is asked for", async () => {
    const reply = await result(await submit({ type: "echo", payload: 1, queue: "held" }));
    expect(reply).toMatchObject({ status: 409, body: { code: "task-unfinished", retryable: true } });
    expect(reply.headers.get("retry-after")).toBe("1");
  });

  it("160 one that is put off says so in Retry-After", async () => {
    const reply = await result(await submit({ type: "echo", payload: 1, queue: "held", delaySeconds: 90 }));
    expect(Number(reply.headers.get("retry-after"))).toBeGreaterThan(80);
  });

  it("159 ?wait=1 answers after a second with what it is then", async () => {
    const { status, body } = await call(
      "GET",
      `/tasks/submissions/${await submit({ type: "echo", payload: 1, queue: "held" })}?wait=1`,
    );
    expect(status).toBe(200);
    expect(body.status).toBe("QUEUED");
  });

  it.each(["61", "-1", "1.5", "x", ""])("159 ?wait=%s is refused", async (seconds) => {
    const reply = await call("GET", `/tasks/submissions/held.0.06aa9ng0000?wait=${seconds}`);
    expect(reply).toMatchObject({ status: 422, body: { code: "invalid-request", errors: [{ pointer: "?wait" }] } });
  });
});

describe("two history databases", () => {
  const inDatabase = async (database: D1Database, queue: string) =>
    (await database.prepare("SELECT payload FROM history WHERE queue = ?").bind(queue).all<{ payload: string }>())
      .results;

  it("164 each queue's tasks are in its own, and read from there; the trigger forgets in both", async () => {
    await call("PUT", "/queues/second", { history: 1, historyTtlSeconds: 60 });
    const [here, there] = [
      await submit({ type: "echo", payload: "here" }),
      await submit({ type: "echo", payload: "there", queue: "second" }),
    ];
    await vi.waitFor(
      async () => expect(await inDatabase(env.HISTORY_1, "second")).toEqual([{ payload: '"there"' }]),
      PATIENCE,
    );
    expect(await inDatabase(env.HISTORY_0, "second")).toEqual([]);
    await vi.waitFor(
      async () => expect((await call("GET", "/queues/second")).body.counts?.outboxRows).toBe(0),
      PATIENCE,
    );
    expect((await result(there)).body).toMatchObject({ status: "SUCCEEDED", result: "there" });
    const { body } = await call("GET", `/tasks/submissions?ids=${here},${there}`);
    expect(body.tasks).toMatchObject([{ id: here }, { id: there, status: "SUCCEEDED" }]);
    await env.HISTORY_1.prepare("UPDATE history SET expires_at = 1 WHERE queue = 'second'").run();
    await vi.waitFor(async () => {
      await runScheduled("* * * * *", platformPorts(env), () => {}, 0);
      expect(await inDatabase(env.HISTORY_1, "second")).toEqual([]);
    }, PATIENCE);
  });
});

describe("294 historyMaxBytes", () => {
  it("by PATCH, and the trigger keeps to it: the oldest tasks are 404, and `gone` in their batch", async () => {
    await call("PUT", "/queues/bounded", { history: 1 });
    const refused = await call("PATCH", "/queues/bounded", { historyMaxBytes: 1 });
    expect(refused).toMatchObject({ status: 422, body: { errors: [{ pointer: "/historyMaxBytes" }] } });
    expect((await call("PATCH", "/queues/bounded", { historyMaxBytes: 1_048_576 })).status).toBe(200);
    const task = { type: "echo", payload: "x".repeat(200_000), queue: "bounded" };
    const { body } = await call("POST", "/tasks/submissions", { tasks: [task, task, task, task, task] });
    const look = () => call("GET", `/tasks/submissions?batch=${body.batch}&wait=20`);
    await look();
    await vi.waitFor(async () => {
      expect((await call("GET", "/queues/bounded")).body.counts?.outboxRows).toBe(0);
    }, PATIENCE);
    for (let i = 0; i < 3; i++) {
      await env.HISTORY_1.prepare("UPDATE retention_walk SET next_at = 0").run();
      await runScheduled("* * * * *", platformPorts(env), () => {}, 0);
    }
    expect((await look()).body).toMatchObject({ finished: 2, gone: 3, counts: { SUCCEEDED: 2 } });
    const [first, , , fourth] = body.ids ?? [];
    expect(await result(String(first))).toMatchObject({ status: 404, body: { code: "task-unknown" } });
    expect((await result(String(fourth))).status).toBe(200);
  });
});

describe("286 a batch that is waited for", () => {
  const submitAll = async (tasks: readonly object[]) =>
    String((await call("POST", "/tasks/submissions", { tasks })).body.batch);

  it("answers when all of it has ended", async () => {
    const tasks = Array.from({ length: 50 }, (_, i) => ({ type: "sleep", payload: { ms: i } }));
    const { body } = await call("GET", `/tasks/submissions?batch=${await submitAll(tasks)}&wait=30`);
    expect(body).toMatchObject({ tasks: 50, finished: 50, counts: { SUCCEEDED: 50 } });
  });

  it("answers as it stands when the time is up", async () => {
    const batch = await submitAll([{ type: "echo", payload: 1, queue: "held" }]);
    const { body } = await call("GET", `/tasks/submissions?batch=${batch}&wait=1`);
    expect(body).toMatchObject({ tasks: 1, finished: 0, counts: { QUEUED: 1 } });
  });

  it.each(["batch=held.0.06aa9ng0000.1&wait=61", "ids=held.0.06aa9ng0000&wait=1"])("?%s is refused", async (query) => {
    const reply = await call("GET", `/tasks/submissions?${query}`);
    expect(reply).toMatchObject({ status: 422, body: { errors: [{ pointer: "?wait" }] } });
  });
});

describe("several at once", () => {
  it("161 each in its place, over queues, what is nowhere with its problem", async () => {
    const held = await submit({ type: "echo", payload: 1, queue: "held" });
    const done = await submit({ type: "echo", payload: "x".repeat(200_000) });
    await wait(done);
    const absent = "held.0.06aa9ng0000";
    const { body } = await call("GET", `/tasks/submissions?ids=${held},${absent},nonsense,${done},${held}`);
    expect(body.tasks).toMatchObject([
      { id: held, status: "QUEUED" },
      { id: absent, problem: { code: "task-expired-from-history" } },
      { id: "nonsense", problem: { code: "task-unknown" } },
      { id: done, status: "SUCCEEDED" },
      { id: held, status: "QUEUED" },
    ]);
  });

  it("161 at most 100, and one of ids and batch", async () => {
    const ids = Array.from({ length: 101 }, () => "a").join(",");
    expect(await call("GET", `/tasks/submissions?ids=${ids}`)).toMatchObject({
      status: 422,
      body: { errors: [{ pointer: "?ids" }] },
    });
    expect(await call("GET", "/tasks/submissions")).toMatchObject({ status: 422 });
  });

  it("161 a batch is counted while it runs and after history has taken it", async () => {
    const tasks = [
      ...Array.from({ length: 9 }, (_, i) => ({ type: "echo", payload: i })),
      { type: "fail", payload: { times: 9 }, retry: { maxAttempts: 1 } },
    ];
    const { body } = await call("POST", "/tasks/submissions", { tasks });
    for (const id of body.ids ?? []) await wait(String(id));
    const whole = { tasks: 10, counts: { SUCCEEDED: 9, FAILED: 1, QUEUED: 0 }, finished: 10, gone: 0 };
    const count = () => call("GET", `/tasks/submissions?batch=${body.batch}`);
    expect((await count()).body).toMatchObject(whole);
    await vi.waitFor(
      async () => expect((await call("GET", "/queues/default")).body.counts?.outboxRows).toBe(0),
      10_000,
    );
    expect((await count()).body).toMatchObject(whole);
    const [first] = Array.from(body.ids ?? [], String);
    expect((await result(String(first))).body).toMatchObject({ id: first, status: "SUCCEEDED", result: 0 });
  });

  it("116 161 a batch of more tasks than there ever were is 404, whoever's id it begins with", async () => {
    await call("PUT", "/queues/invented", {});
    await call("POST", "/queues/invented/pause");
    const tasks = [1, 2].map((payload) => ({ type: "echo", payload, queue: "invented" }));
    const { body } = await call("POST", "/tasks/submissions", { tasks });
    const [first] = Array.from(body.ids ?? [], String);
    expect((await call("GET", `/tasks/submissions?batch=${first}.2`)).body).toMatchObject({ tasks: 2, gone: 0 });
    for (const count of [3, 10_000, 10_001, 99_999])
      expect(await call("GET", `/tasks/submissions?batch=${first}.${count}`), String(count)).toMatchObject({
        status: 404,
        body: { code: "batch-unknown" },
      });
    // A month later the same id may be one whose other tasks are past their retention.
    const later = serviceWith((real) => ({ now: () => real.now() + 31 * 86_400_000 }));
    const { body: old } = await call("GET", `/tasks/submissions?batch=${first}.5`, undefined, { fetch: later });
    expect(old).toMatchObject({ tasks: 5, counts: { QUEUED: 2 }, finished: 0, gone: 3 });
  });

  it.each(["nonsense", "held.0.06aa9ng0000", "held.0.06aa9ng0000.5", "nowhere.0.06aa9ng0000.5"])(
    "161 batch %s is 404",
    async (batch) => {
      expect(await call("GET", `/tasks/submissions?batch=${batch}`)).toMatchObject({
        status: 404,
        body: { code: "batch-unknown" },
      });
    },
  );
});
