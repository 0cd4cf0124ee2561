/** Workflows over HTTP, on real objects: what each route answers. */
import { beforeAll, describe, expect, it, vi } from "vitest";
import { call, type Json, type Reply } from "../support/workerd/call.ts";
import { serviceWith, silence } from "../support/workerd/service.ts";

type Fetch = (request: Request) => Promise<Response>;
const echo = { type: "echo", payload: 1 };
const held = { ...echo, queue: "held-nodes" };
const fails = { type: "fail", payload: { times: 9 }, retry: { maxAttempts: 1 } };

const create = (body: object, headers = {}): Promise<Reply> => call("POST", "/workflows", body, { headers });
const ask = (id: string, rest = "", fetch?: Fetch): Promise<Reply> =>
  call("GET", `/workflows/${id}${rest}`, undefined, fetch && { fetch });
const post = (id: string, rest: string, body?: unknown): Promise<Reply> =>
  call("POST", `/workflows/${id}${rest}`, body);

async function started(body: object): Promise<string> {
  const { status, body: run } = await create(body);
  expect(status).toBe(202);
  return String(run.id);
}
async function ended(body: object): Promise<Json> {
  const { body: run } = await ask(await started(body), "?wait=20&nodes=true");
  expect(run.endedAt).toBeTypeOf("string");
  return run;
}
const listOf = (value: Json | undefined): readonly Json[] => value ?? [];
const PATIENCE = { timeout: 10_000, interval: 20 };

beforeAll(async () => {
  await call("PUT", "/queues/held-nodes", {});
  await call("POST", "/queues/held-nodes/pause");
});

describe("a run", () => {
  it("301 is answered 202 with its place and how it stands", async () => {
    const { status, headers, body } = await create({ name: "two", tasks: [{ key: "a", ...held }] });
    expect([status, headers.get("location")]).toEqual([202, `/workflows/${String(body.id)}`]);
    expect(body).toEqual({
      id: expect.stringMatching(/^wf_[0-9a-v]{24}$/),
      name: "two",
      status: "RUNNING",
      createdAt: expect.any(String),
      progress: { nodes: 1, ended: 0, counts: expect.any(Object) },
    });
  });

  it("301 is one under an Idempotency-Key, told as it stands; with another body it is refused", async () => {
    const key = { "idempotency-key": "once" };
    const body = { chain: [echo, echo] };
    const first = await create(body, key);
    await ask(String(first.body.id), "?wait=20");
    const again = await create(body, key);
    expect([again.status, again.headers.get("idempotency-replayed")]).toEqual([202, "true"]);
    expect(again.body).toMatchObject({ id: first.body.id, status: "SUCCEEDED" });
    const other = await create({ chain: [echo] }, key);
    expect([other.status, other.body.code]).toEqual([422, "idempotency-key-reused"]);
  });

  it("304 316 tells its nodes, one of them with what it was sent and gave, and its graph", async () => {
    const run = await ended({
      tasks: [
        { key: "sum", type: "echo", payload: { all: { $result: "a/n" } }, dependsOn: ["a"], priority: "high" },
        { key: "a", type: "echo", payload: { n: 7 } },
      ],
    });
    const id = String(run.id);
    expect(run).toMatchObject({ status: "SUCCEEDED", progress: { nodes: 2, ended: 2, counts: { SUCCEEDED: 2 } } });
    expect(listOf(run.nodes).map(({ key }) => key)).toEqual(["a", "sum"]);
    expect(listOf(run.nodes)[1]).toEqual({
      key: "sum",
      kind: "task",
      status: "SUCCEEDED",
      task: expect.stringMatching(/^default\.0\./),
      dependsOn: ["a"],
      onParentFailure: "fail",
      endedAt: expect.any(String),
    });
    expect((await ask(id, "/nodes/sum")).body).toMatchObject({
      ...{ key: "sum", type: "echo", queue: "default", priority: 7, dependsOn: ["a"] },
      ...{ payload: { all: { $result: "a/n" } }, result: { all: 7 } },
    });
    expect((await ask(id, "/graph")).body).toMatchObject({
      nodes: listOf(run.nodes).map(({ key }) => ({ key })),
      edges: [{ from: "a", to: "sum" }],
    });
    const { text, type } = await mermaid(id);
    expect(type).toBe("text/plain; charset=utf-8");
    expect(text).toBe('graph TD\n  n0["a<br/>SUCCEEDED"]\n  n1["sum<br/>SUCCEEDED"]\n  n0 --> n1\n');
    const task = String(listOf(run.nodes)[1]?.task);
    expect((await call("GET", `/tasks/submissions/${task}`)).body.workflow).toEqual({ id, node: "sum" });
  });

  it("316 a node that may run is told as its task stands, in the counts and in the graph too", async () => {
    const fails = { key: "again", type: "fail", payload: { times: 1 }, retry: { baseMs: 600_000 } };
    const id = await started({
      tasks: [
        { key: "runs", type: "sleep", payload: { ms: 60_000 } },
        fails,
        { key: "held", ...held },
        { key: "last", ...echo, dependsOn: ["runs"] },
      ],
    });
    const statuses = { runs: "RUNNING", again: "RETRYING", held: "QUEUED", last: "BLOCKED" };
    const { run, graph } = await vi.waitFor(async () => {
      const { body: run } = await ask(id, "?nodes=true");
      const { body: graph } = await ask(id, "/graph");
      for (const { nodes } of [run, graph])
        expect(Object.fromEntries(listOf(nodes).map(({ key, status }) => [key, status]))).toEqual(statuses);
      return { run, graph };
    }, PATIENCE);
    expect(run.progress).toEqual({
      nodes: 4,
      ended: 0,
      counts: { RUNNING: 1, RETRYING: 1, QUEUED: 1, BLOCKED: 1 },
    });
    expect(graph.status).toBe("RUNNING");
    expect((await mermaid(id)).text).toContain("runs<br/>RUNNING");
    await post(id, "/cancel");
  });

  it("306 311 what failed by itself is told, and is what may be retried", async () => {
    const run = await ended({ chain: [echo, { key: "bad", ...fails }, echo] });
    const id = String(run.id);
    expect(run).toMatchObject({ status: "FAILED", failed: ["bad"] });
    expect(listOf(run.nodes)[2]).toMatchObject({ status: "FAILED", error: { code: "parent-failed" } });
    expect(await post(id, "/retry", { nodes: ["1"] })).toMatchObject({
      status: 409,
      body: { code: "node-not-failed", errors: [{ pointer: "/nodes/0" }] },
    });
    const because = await post(id, "/retry", { nodes: ["bad", "3"] });
    expect([because.body.code, because.body.detail]).toEqual([
      "node-not-failed",
      expect.stringContaining("because of"),
    ]);
    expect((await post(id, "/retry", { nodes: ["zz"] })).body).toMatchObject({ code: "node-unknown", status: 404 });
    const again = await post(id, "/retry");
    expect(again).toMatchObject({ status: 202, body: { status: "RUNNING", retries: 1 } });
    const { body } = await ask(id, "?wait=20&nodes=true");
    expect(body).toMatchObject({ status: "FAILED", retries: 1 });
    expect(listOf(body.nodes)[1]?.retried).toEqual([listOf(run.nodes)[1]?.task]);
    expect((await post(String((await ended({ chain: [echo] })).id), "/retry")).body.code).toBe("node-not-failed");
  });

  it("312 a signal: told once, and only where somebody waits for it", async () => {
    const tasks = [
      { key: "ok", waitFor: "approval", timeoutSeconds: 600 },
      { key: "b", type: "echo", payload: { $result: "ok/by" }, dependsOn: ["ok"] },
    ];
    const id = await started({ tasks });
    const { body } = await ask(id, "/nodes/ok");
    expect(body).toMatchObject({ kind: "signal", status: "BLOCKED", signal: "approval" });
    expect((await post(id, "/signals/nope")).body).toMatchObject({ code: "signal-unknown", status: 404 });
    expect(await post(id, "/signals/a.b")).toMatchObject({ status: 404, body: { errors: [{ pointer: "{name}" }] } });
    expect((await post(id, "/signals/approval", { by: "me" })).status).toBe(202);
    expect((await post(id, "/signals/approval", { by: "me" })).status).toBe(202);
    expect((await post(id, "/signals/approval", { by: "you" })).body).toMatchObject({
      code: "signal-taken",
      status: 409,
    });
    expect((await ask(id, "?wait=20")).body.status).toBe("SUCCEEDED");
    expect((await ask(id, "/nodes/b")).body.result).toBe("me");
    expect((await ask(id, "/nodes/ok")).body.result).toEqual({ by: "me" });
    const lone = await started({ tasks: [{ key: "w", waitFor: "go" }] });
    expect((await call("POST", `/workflows/${lone}/signals/go`, undefined)).status).toBe(202);
    expect((await ask(lone, "?wait=20")).body.status).toBe("SUCCEEDED");
  });

  it("329 has FAILED where its time is over, and says so", async () => {
    const id = await started({ chain: [{ key: "a", waitFor: "nobody" }, echo], timeoutSeconds: 0.2 });
    const { body: run } = await ask(id, "?wait=20&nodes=true");
    expect(run).toMatchObject({ status: "FAILED", timedOut: true, timeoutAt: expect.any(String) });
    expect(run).not.toHaveProperty("cancelRequested");
    expect(Date.parse(String(run.endedAt))).toBeGreaterThanOrEqual(Date.parse(String(run.timeoutAt)));
    expect(listOf(run.nodes)[0]).toMatchObject({
      status: "CANCELLED",
      error: { code: "cancelled", message: "the run's time was over" },
    });
  });

  it("314 318 is cancelled, then deleted; not before it has ended", async () => {
    const id = await started({ name: "gone", chain: [{ key: "a", ...held }, echo] });
    const task = await taskOf(id, "a");
    expect(await call("DELETE", `/workflows/${id}`)).toMatchObject({ status: 409, body: { code: "workflow-running" } });
    expect((await post(id, "/cancel")).body).toMatchObject({ cancelRequested: true });
    expect((await post(id, "/cancel")).status).toBe(202);
    const { body } = await ask(id, "?wait=20&nodes=true");
    expect(body).toMatchObject({ status: "CANCELLED", progress: { counts: { CANCELLED: 2 } } });
    expect((await call("DELETE", `/workflows/${id}`)).status).toBe(204);
    expect(await ask(id)).toMatchObject({ status: 404, body: { code: "workflow-unknown" } });
    expect((await call("GET", "/workflows?name=gone")).body.workflows).toEqual([]);
    expect((await call("GET", `/tasks/submissions/${task}`)).body.status).toBe("CANCELLED");
  });

  it("320 keeps nothing of a node whose task's data was deleted", async () => {
    const { id, nodes } = await ended({
      chain: [
        { key: "a", type: "echo", payload: "secret" },
        { key: "bad", ...fails },
      ],
    });
    const [a, bad] = listOf(nodes).map(({ task }) => String(task));
    for (const task of [a, bad, a]) expect((await call("DELETE", `/tasks/submissions/${task}`)).status).toBe(204);
    const told = (await ask(String(id), "/nodes/a")).body;
    expect(told).toMatchObject({ status: "SUCCEEDED", task: a });
    expect(JSON.stringify(told)).not.toContain("secret");
    expect((await ask(String(id), "/nodes/bad")).body.error).toEqual({ code: "handler-error", message: "" });
    expect((await post(String(id), "/retry")).body).toMatchObject({ code: "task-deleted", status: 410 });
    const waits = await started({
      tasks: [
        { key: "a", ...echo },
        { key: "w", waitFor: "go", dependsOn: ["a"] },
        { key: "b", type: "echo", payload: { $result: "a" }, dependsOn: ["w"] },
      ],
    });
    const gone = await vi.waitFor(async () => {
      const node = (await ask(waits, "/nodes/a")).body;
      expect(node.status).toBe("SUCCEEDED");
      return String(node.task);
    }, PATIENCE);
    expect((await call("DELETE", `/tasks/submissions/${gone}`)).status).toBe(204);
    await post(waits, "/signals/go");
    expect((await ask(waits, "?wait=20&nodes=true")).body.nodes?.[2]).toMatchObject({
      error: { code: "payload-invalid" },
    });
  });

  it("320 while the run does not answer nothing of the task is deleted", async () => {
    const { nodes } = await ended({ chain: [echo] });
    const task = String(listOf(nodes)[0]?.task);
    const silent = serviceWith((real) => ({
      workflow: (tenant, id) =>
        new Proxy(real.workflow(tenant, id), {
          get: (it, name, receiver) => (name === "eraseNode" ? silence : Reflect.get(it, name, receiver)),
        }),
    }));
    const reply = await call("DELETE", `/tasks/submissions/${task}`, undefined, { fetch: silent });
    expect([reply.status, reply.body.code]).toEqual([503, "unavailable"]);
    expect((await call("GET", `/tasks/${task}`)).body.result).toBe(1);
  });

  it("317 a task that is BLOCKED says which nodes it waits for", async () => {
    const id = await started({
      chord: { group: [held, held], finally: { key: "end", ...echo } },
    });
    const end = await taskOf(id, "end");
    const { body } = await call("GET", `/tasks/submissions/${end}/explain`);
    expect(body).toMatchObject({ status: "BLOCKED", earliestStart: null, decidedBy: "parents" });
    expect(listOf(body.reasons)[0]).toMatchObject({
      code: "parents",
      workflow: id,
      node: "end",
      parents: [{ node: "group" }],
    });
    expect((await call("GET", `/tasks/submissions/${end}/timeline`)).body.moves).toEqual([
      { status: "BLOCKED", at: expect.any(String), cause: "submitted" },
    ]);
    expect(Number((await call("GET", "/queues/default")).body.counts?.blocked)).toBeGreaterThan(0);
    await post(id, "/cancel");
  });
});

it("317 a task that is BLOCKED tells what it waits for as that stands in its shard", async () => {
  const id = await started({
    tasks: [
      { key: "s", ...echo, delaySeconds: 3_600 },
      { key: "t", ...echo, dependsOn: ["s"] },
    ],
  });
  const task = await taskOf(id, "t");
  const parent = await taskOf(id, "s");
  const { body } = await call("GET", `/tasks/submissions/${task}/explain`);
  expect(listOf(body.reasons)[0]).toMatchObject({ parents: [{ node: "s", status: "SCHEDULED", task: parent }] });
  expect(body.summary).toBe("It waits for 1 node: s (SCHEDULED).");
  await post(id, "/cancel");
});

/** The id of a node's task, once it has one. */
function taskOf(id: string, key: string): Promise<string> {
  return vi.waitFor(async () => {
    const { task } = (await ask(id, `/nodes/${key}`)).body;
    expect(task).toBeTypeOf("string");
    return String(task);
  }, PATIENCE);
}

async function mermaid(id: string) {
  const service = serviceWith();
  const response = await service(new Request(`http://sluice.test/workflows/${id}/graph?format=mermaid`));
  return { text: await response.text(), type: response.headers.get("content-type") };
}
