/** Many tasks at once over HTTP: redriven, cancelled, discarded, by jobs that tell how far they are. */
import { beforeAll, describe, expect, it, vi } from "vitest";
import { call, type Json } from "../support/workerd/call.ts";

const QUEUE = "bulk";

beforeAll(async () => {
  await call("PUT", `/queues/${QUEUE}`, { shards: 2, retry: { maxAttempts: 1 } });
});

async function die(count: number, task: object = {}): Promise<string[]> {
  const told = { type: "fail", payload: { times: 1 }, queue: QUEUE, ...task };
  const ids = await Promise.all(
    Array.from({ length: count }, async () => String((await call("POST", "/tasks/submissions", told)).body.id)),
  );
  for (const id of ids) expect((await call("GET", `/tasks/submissions/${id}?wait=20`)).body.status).toBe("FAILED");
  return ids;
}

async function ended(path: string, json: unknown): Promise<Json> {
  const { status, headers, body } = await call("POST", path, json);
  expect(status).toBe(202);
  expect(headers.get("location")).toBe(`/tasks/bulk/${body.id}`);
  return await vi.waitFor(
    async () => {
      const job = (await call("GET", `/tasks/bulk/${body.id}`)).body;
      expect(job.endedAt).not.toBeNull();
      return job;
    },
    { timeout: 10_000 },
  );
}

describe("one dead letter", () => {
  it("269 becomes a new task, told in both; the same again tells the same task", async () => {
    const [id] = await die(1, { tags: ["one"] });
    const { status, headers, body } = await call("POST", `/dead-letters/${id}/redrive`);
    expect(status).toBe(202);
    expect(body).toMatchObject({ queue: QUEUE, status: "QUEUED", replayOf: id });
    expect(headers.get("location")).toBe(`/tasks/submissions/${body.id}`);
    const task = (await call("GET", `/tasks/submissions/${body.id}?wait=20`)).body;
    expect(task.createdAt).toBe(body.createdAt);
    expect(task).toMatchObject({ status: "FAILED", replayOf: id, tags: ["one"], attempts: [{ attempt: 1 }] });
    expect((await call("GET", `/dead-letters/${id}`)).body.code).toBe("dead-letter-unknown");
    const { body: list } = await call("GET", `/dead-letters?queue=${QUEUE}&tag=one`);
    expect(list.deadLetters).toMatchObject([{ id: body.id, replayOf: id }]);
    expect((await call("GET", `/tasks/submissions/${id}`)).body).toMatchObject({
      status: "FAILED",
      replayedBy: [body.id],
    });
    const { moves } = (await call("GET", `/tasks/submissions/${id}/timeline`)).body;
    expect(moves?.at(-1)).toMatchObject({ status: "FAILED", cause: `redriven as ${body.id}` });
    const replay = await call("POST", `/tasks/submissions/${id}/replay`, { delaySeconds: 600 });
    expect(replay.status).toBe(202);
    await vi.waitFor(async () => expect((await call("GET", `/queues/${QUEUE}`)).body.counts?.outboxRows).toBe(0));
    expect((await call("POST", `/dead-letters/${id}/redrive`, {})).body).toEqual(body);
    expect(await call("POST", `/dead-letters/${id}/redrive`, { edit: { priority: "high" } })).toMatchObject({
      status: 409,
      body: { code: "already-redriven", taskId: body.id, errors: [{ pointer: "/edit" }] },
    });
    for (const id of ["nonsense", "bulk.0.06aa9ng0000", "none.0.06aa9ng0000"])
      expect((await call("POST", `/dead-letters/${id}/redrive`)).body.code).toBe("dead-letter-unknown");
    const { body: next } = await call("POST", `/dead-letters/${body.id}/redrive`, { edit: { payload: { times: 0 } } });
    expect((await call("GET", `/tasks/submissions/${next.id}?wait=20`)).body.status).toBe("SUCCEEDED");
    expect((await call("POST", `/dead-letters/${next.id}/redrive`)).body.code).toBe("dead-letter-unknown");
  });

  it("273 is edited on the way, where that fits its type", async () => {
    const [id] = await die(1);
    const wrong = await call("POST", `/dead-letters/${id}/redrive`, { edit: { payloadPatch: { times: "x" } } });
    expect(wrong).toMatchObject({
      status: 422,
      body: {
        code: "payload-invalid",
        detail: "The payload does not fit the task type fail; GET /types/fail shows its schema.",
        errors: [{ pointer: "/edit/payloadPatch/times" }],
      },
    });
    const edit = { payload: { times: 0 }, priority: "low", delaySeconds: 0.05 };
    const { body } = await call("POST", `/dead-letters/${id}/redrive`, { edit });
    expect(body.status).toBe("SCHEDULED");
    expect((await call("POST", `/dead-letters/${id}/redrive`, { edit })).body).toEqual(body);
    for (const other of [undefined, { edit: { ...edit, priority: "high" } }])
      expect((await call("POST", `/dead-letters/${id}/redrive`, other)).body).toMatchObject({ taskId: body.id });
    expect((await call("GET", `/tasks/submissions/${body.id}?wait=20`)).body).toMatchObject({
      status: "SUCCEEDED",
      priority: 2,
    });
  });
});

describe("one dead letter that is only tried", () => {
  it("269 is told what it would become, or why it would not, and stays one", async () => {
    const [id] = await die(1);
    const path = `/dead-letters/${id}/redrive`;
    const dry = (more: object = {}) => call("POST", path, { dryRun: true, ...more });
    const about = { dryRun: true, queue: QUEUE, replayOf: id };
    expect(await dry()).toMatchObject({ status: 200, body: { ...about, accepted: true, status: "QUEUED" } });
    expect((await dry({ edit: { delaySeconds: 60 } })).body).toMatchObject({
      status: "SCHEDULED",
      runAt: expect.any(String),
    });
    const wrong = { edit: { payloadPatch: { times: "x" } } };
    const [tried, real] = [await dry(wrong), await call("POST", path, wrong)];
    expect([tried.status, { ...Object(tried.body), requestId: 0 }]).toEqual([
      422,
      { ...Object(real.body), requestId: 0 },
    ]);
    await call("POST", `/queues/${QUEUE}/drain`);
    expect(await dry()).toMatchObject({ status: 200, body: { accepted: false, problem: { code: "draining" } } });
    await call("POST", `/queues/${QUEUE}/resume`);
    expect((await call("GET", `/dead-letters/${id}`)).body).toMatchObject({ status: "FAILED" });
    const { body } = await call("POST", path, { dryRun: false });
    expect((await dry()).body).toEqual({
      ...about,
      shard: expect.any(Number),
      accepted: true,
      replayed: true,
      duplicateOf: body.id,
    });
    expect(await dry({ edit: { priority: 9 } })).toMatchObject({ status: 409, body: { code: "already-redriven" } });
    expect((await call("POST", "/dead-letters/nonsense/redrive", { dryRun: true })).body.code).toBe(
      "dead-letter-unknown",
    );
    expect((await dry({ dryRun: 1 })).body.errors?.[0]?.pointer).toBe("/dryRun");
  });
});

describe("many", () => {
  it("271 273 whose edit fits none are told so by the dry run, as the job then counts them", async () => {
    const ids = await die(5, { tags: ["unfit"] });
    const told = { queue: QUEUE, filter: { tag: "unfit" }, edit: { payload: "no object" } };
    const { body: dry } = await call("POST", "/dead-letters/redrive", { ...told, dryRun: true });
    expect(dry).toMatchObject({ matched: 5, wouldFail: 5, tried: 5 });
    const failure = { code: "payload-invalid", pointer: "/edit/payload", detail: "must be an object" };
    expect(dry.failures).toEqual(expect.arrayContaining(ids.map((id) => ({ id, ...failure }))));
    const one = { ...told, filter: { ids: [ids[0]] } };
    expect((await call("POST", "/dead-letters/redrive", { ...one, dryRun: true })).body).toMatchObject({
      wouldFail: 1,
    });
    const fits = { ...told, edit: { payloadPatch: { times: 0 } }, dryRun: true };
    expect((await call("POST", "/dead-letters/redrive", fits)).body).toMatchObject({
      matched: 5,
      wouldFail: 0,
      tried: 5,
    });
    const job = await ended("/dead-letters/redrive", { ...told, asOf: dry.asOf });
    expect(job.counts).toMatchObject({ matched: 5, done: 0, failed: 5 });
    await ended("/tasks/bulk", { action: "discard", queue: QUEUE, filter: told.filter });
  });

  it("270 271 are counted, then redriven by a job: as many as the dry run counted", async () => {
    const ids = await die(12, { tags: ["many"] });
    const those = { queue: QUEUE, filter: { tag: "many" } };
    const { body: dry } = await call("POST", "/dead-letters/redrive", { ...those, dryRun: true });
    expect(dry).toMatchObject({ queue: QUEUE, action: "redrive", matched: 12, wouldFail: 0, tried: 12 });
    await die(3, { tags: ["many"] });
    const edit = { payloadPatch: { times: 0 } };
    const job = await ended("/dead-letters/redrive", {
      ...those,
      asOf: dry.asOf,
      edit,
      rate: { limit: 40, periodMs: 1_000 },
    });
    expect(job).toMatchObject({
      action: "redrive",
      status: "done",
      counts: { matched: 12, done: 12, skipped: 0, failed: 0 },
      edit,
      refusal: null,
    });
    const old = (await call("GET", `/tasks/submissions/${ids[0]}`)).body;
    const by = (await call("GET", `/tasks/submissions/${old.replayedBy?.[0]}?wait=20`)).body;
    expect(by).toMatchObject({ status: "SUCCEEDED", replayOf: ids[0] });
    const left = await ended("/tasks/bulk", { action: "discard", ...those });
    expect(left.counts).toEqual({ matched: 3, done: 3, skipped: 0, failed: 0 });
  });

  it("274 that wait are cancelled by a job, by ids or by what they are; the list has it", async () => {
    const later = { type: "echo", payload: {}, queue: QUEUE, delaySeconds: 600, limitKey: "k" };
    const ids = await Promise.all(
      Array.from({ length: 6 }, async () => String((await call("POST", "/tasks/submissions", later)).body.id)),
    );
    const one = await ended("/tasks/bulk", { action: "cancel", queue: QUEUE, filter: { ids: [ids[0], ids[0]] } });
    expect(one).toMatchObject({ counts: { matched: 1, done: 1, stopping: 0 }, filter: { ids: 1 } });
    const filter = { limitKey: "k", status: ["SCHEDULED"] };
    const rest = await ended("/tasks/bulk", { action: "cancel", queue: QUEUE, filter });
    expect(rest.counts).toMatchObject({ matched: 5, done: 5 });
    for (const id of ids) expect((await call("GET", `/tasks/submissions/${id}`)).body.status).toBe("CANCELLED");
    const { body } = await call("GET", "/tasks/bulk");
    expect(body.jobs?.[0]).toMatchObject({ id: rest.id, action: "cancel", queue: QUEUE });
    expect((await call("POST", `/tasks/bulk/${rest.id}/cancel`)).body.status).toBe("done");
  });

  it.each([
    ["POST", "/tasks/bulk", { action: "stop", queue: "bulk", filter: {} }, 422, "/action"],
    ["POST", "/tasks/bulk", { action: "cancel", queue: "bulk" }, 422, "/filter"],
    ["POST", "/tasks/bulk", { action: "cancel", queue: "bulk", filter: { code: "x" } }, 422, "/filter/code"],
    [
      "POST",
      "/tasks/bulk",
      { action: "cancel", queue: "bulk", filter: { status: ["FAILED"] } },
      422,
      "/filter/status/0",
    ],
    [
      "POST",
      "/tasks/bulk",
      { action: "cancel", queue: "bulk", filter: { ids: ["a.0.06aa9ng0000"] } },
      422,
      "/filter/ids/0",
    ],
    ["POST", "/tasks/bulk", { action: "discard", queue: "bulk", filter: {}, edit: {} }, 422, "/edit"],
    [
      "POST",
      "/dead-letters/redrive",
      { queue: "bulk", filter: {}, rate: { limit: 0, periodMs: 1_000 } },
      422,
      "/rate/limit",
    ],
    [
      "POST",
      "/dead-letters/redrive",
      { queue: "bulk", filter: {}, edit: { payload: 1, payloadPatch: {} } },
      422,
      "/edit/payloadPatch",
    ],
    [
      "POST",
      "/dead-letters/redrive",
      { queue: "bulk", filter: { type: "fail" }, edit: { payload: 1 } },
      422,
      "/edit/payload",
    ],
    [
      "POST",
      "/dead-letters/redrive",
      { queue: "bulk", filter: { type: "no" }, edit: { payload: 1 } },
      422,
      "/filter/type",
    ],
    ["POST", "/dead-letters/redrive", { queue: "bulk", filter: {}, edit: {} }, 422, "/edit"],
    ["POST", "/dead-letters/bulk.0.06aa9ng0000/redrive", { edit: {} }, 422, "/edit"],
    ["POST", "/dead-letters/bulk.0.06aa9ng0000/redrive", { edit: { prio: 1 } }, 422, "/edit/prio"],
  ])("273 274 %s %s %j is %i", async (method, path, json, status, pointer) => {
    expect(await call(method, path, json)).toMatchObject({ status, body: { errors: [{ pointer }] } });
  });

  it("274 of a queue or a job that is not there is 404", async () => {
    const none = { action: "cancel", queue: "nowhere", filter: {} };
    for (const dryRun of [true, false])
      expect((await call("POST", "/tasks/bulk", { ...none, dryRun })).body).toMatchObject({
        code: "queue-unknown",
        errors: [{ pointer: "/queue" }],
      });
    expect((await call("GET", "/tasks/bulk/none")).body.code).toBe("job-unknown");
    expect((await call("POST", "/tasks/bulk/none/cancel")).body.code).toBe("job-unknown");
  });
});
