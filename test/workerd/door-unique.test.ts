/** `unique` over HTTP, on real objects: who has a key, what a later submission is told, where keys go. */
import { beforeAll, describe, expect, it } from "vitest";
import { call, type Reply } from "../support/workerd/call.ts";

const task = { type: "echo", payload: { a: 1, b: [2, { c: 3, d: 4 }] }, queue: "alone" };
const submit = (body: unknown): Promise<Reply> => call("POST", "/tasks/submissions", body);
const byKey = (key: string, more: object = {}) => ({ by: "key", key, within: "running", ...more });

beforeAll(async () => {
  await call("PUT", "/queues/alone", { shards: 2, keyShards: 8 });
  await call("PUT", "/queues/alone-too", {});
  for (const queue of ["alone", "alone-too"]) await call("POST", `/queues/${queue}/pause`);
});

describe("205 a later submission", () => {
  it("is answered with the task that there is, and `duplicate: true`", async () => {
    const first = await submit({ ...task, unique: byKey("first"), delaySeconds: 60 });
    expect(first).toMatchObject({ status: 202, body: { status: "SCHEDULED" } });
    expect(first.body).not.toHaveProperty("duplicate");
    const again = await submit({ ...task, payload: "other", unique: byKey("first") });
    expect([again.status, again.body]).toEqual([202, { ...Object(first.body), duplicate: true }]);
    expect(again.headers.get("location")).toBe(`/tasks/submissions/${first.body.id}`);
  });

  it("with reject is 409 and names the task, alone and in a batch, where nothing is accepted", async () => {
    const { body } = await submit({ ...task, unique: byKey("mine") });
    const unique = byKey("mine", { onConflict: "reject" });
    expect(await submit({ ...task, unique })).toMatchObject({
      status: 409,
      body: { code: "duplicate-task", retryable: false, taskId: body.id, errors: [{ pointer: "/unique" }] },
    });
    expect(await submit({ tasks: [task, { ...task, unique }] })).toMatchObject({
      status: 409,
      body: { code: "duplicate-task", taskId: body.id, errors: [{ pointer: "/tasks/1/unique" }] },
    });
    const apart = await submit({ atomic: false, tasks: [task, { ...task, unique }] });
    expect(apart).toMatchObject({ status: 202, body: { accepted: 1, refused: 1 } });
    expect(apart.body.results?.[1]).toMatchObject({ problem: { code: "duplicate-task", taskId: body.id } });
  });

  it("by payload: equal whatever the order of fields; another value, type or queue is another task", async () => {
    const unique = { by: "payload", within: "queued" };
    const first = (await submit({ ...task, unique })).body.id;
    const same = { b: [2, { d: 4, c: 3 }], a: 1 };
    expect((await submit({ ...task, payload: same, unique })).body).toMatchObject({ id: first, duplicate: true });
    for (const other of [
      { payload: { ...same, a: 2 } },
      { payload: { ...same, b: [{ c: 3, d: 4 }, 2] } },
      { type: "sleep", payload: { ms: 1 } },
      { queue: "alone-too" },
      { unique: byKey("payload") },
    ])
      expect((await submit({ ...task, unique, ...other })).body).not.toHaveProperty("duplicate");
  });

  it("in one batch: the second of two is the first", async () => {
    const twice = { ...task, unique: byKey("in-batch") };
    const { body } = await submit({ tasks: [twice, twice] });
    expect(body).toMatchObject({ accepted: 2, made: 1, duplicates: [1] });
    expect(body.ids?.[0]).toBe(body.ids?.[1]);
    const more = await submit({ tasks: [twice, task, twice, task] });
    expect(more.body).toMatchObject({ accepted: 4, duplicates: [0, 2] });
    const batch = await call("GET", String(more.headers.get("location")));
    expect(batch.body).toMatchObject({ tasks: 2, counts: { QUEUED: 2 } });
    const none = await submit({ tasks: [twice] });
    expect(none.body).toMatchObject({ accepted: 1, made: 0, duplicates: [0], ids: [body.ids?.[0]] });
    const apart = await submit({ atomic: false, tasks: [twice, task, { ...task, type: "none" }] });
    expect(apart).toMatchObject({ status: 202, body: { accepted: 2, refused: 1, made: 1, duplicates: [0] } });
    expect([none.body.batch, none.headers.get("location")]).toEqual([undefined, null]);
  });

  it("202 under an Idempotency-Key is told the same again, duplicate and all", async () => {
    const headers = { "idempotency-key": "both" };
    const keyed = { ...task, unique: byKey("both") };
    await submit(keyed);
    const first = await call("POST", "/tasks/submissions", keyed, { headers });
    expect(first.body).toMatchObject({ duplicate: true });
    const again = await call("POST", "/tasks/submissions", keyed, { headers });
    expect([again.body, again.headers.get("idempotency-replayed")]).toEqual([first.body, "true"]);
  });

  it.each([
    [{ by: "key", within: "queued" }, "/unique/key", 'is required with by: "key"'],
    [{ by: "payload", key: "k", within: "queued" }, "/unique/key", "stands only with"],
    [{ by: "key", key: "a b", within: "queued" }, "/unique/key", "visible ASCII"],
    [{ by: "payload", within: "window" }, "/unique/windowSeconds", "is required with"],
    [{ by: "payload", within: "queued", windowSeconds: 1 }, "/unique/windowSeconds", "stands only with"],
    [{ by: "payload", within: "always" }, "/unique/within", "must be one of"],
    [{ by: "payload", within: "queued", onConflict: "merge" }, "/unique/onConflict", "must be one of"],
  ])("that is wrong is 422 with its pointer: %j", async (unique, pointer, detail) => {
    const reply = await submit({ ...task, unique });
    expect(reply).toMatchObject({ status: 422, body: { code: "invalid-request" } });
    expect(reply.body.errors?.map((error) => error.pointer)).toEqual([pointer]);
    expect(reply.body.errors?.[0]?.detail).toContain(detail);
  });

  it("101 of a task that has ended is 200, its status as it is or, where it has left its shard, null", async () => {
    const unique = { by: "payload", within: "window", windowSeconds: 600 };
    const told = { type: "echo", payload: "ends", queue: "alone-open", unique };
    await call("PUT", "/queues/alone-open", {});
    const { id } = (await submit(told)).body;
    await call("GET", `/tasks/submissions/${id}?wait=20`);
    expect(await submit(told)).toMatchObject({ status: 200, body: { id, status: null, duplicate: true } });
    const batch = await submit({ tasks: [told, told] });
    expect(batch).toMatchObject({ status: 200, body: { accepted: 2, made: 0, duplicates: [0, 1] } });
    expect((await submit({ atomic: false, tasks: [told] })).status).toBe(200);
    expect((await submit({ tasks: [told, { ...told, payload: "other" }] })).status).toBe(202);
    const fails = { ...told, type: "fail", payload: { times: 9 }, retry: { maxAttempts: 1 } };
    const dead = (await submit(fails)).body.id;
    await call("GET", `/tasks/submissions/${dead}?wait=20`);
    expect(await submit(fails)).toMatchObject({ status: 200, body: { id: dead, status: "FAILED", duplicate: true } });
  });

  it("159 221 PATCH of a payload that its key is made of lets what comes with that payload run; the view tells", async () => {
    const unique = { by: "payload", within: "running" };
    const told = { ...task, payload: "A", unique };
    const path = `/tasks/submissions/${(await submit(told)).body.id}`;
    expect((await call("GET", path)).body).toMatchObject({ version: 1, unique });
    expect((await call("PATCH", path, { payload: "B" })).body).toMatchObject({ rev: 2 });
    expect((await call("GET", path)).body).not.toHaveProperty("unique");
    expect((await submit(told)).body).not.toHaveProperty("duplicate");
    expect((await call("PATCH", path, { payload: "B", priority: "normal" })).body).toMatchObject({ rev: 2 });
  });
});

describe("208 209 replace, debounce, throttle", () => {
  it("208 replace answers the same id with its new status", async () => {
    const unique = byKey("again", { onConflict: "replace" });
    const first = await submit({ ...task, unique });
    expect(first.body).toMatchObject({ status: "QUEUED" });
    const later = await submit({ ...task, payload: 2, priority: 9, tags: ["t"], delaySeconds: 60, unique });
    expect(later.body).toEqual({ ...Object(first.body), status: "SCHEDULED", duplicate: true, replaced: true });
    const both = await submit({ tasks: [{ ...task, unique }, task] });
    expect(both.body).toMatchObject({ accepted: 2, made: 1, duplicates: [0], replaced: [0] });
    await submit({ ...task, payload: 2, priority: 9, tags: ["t"], delaySeconds: 60, unique });
    const read = await call("GET", `/tasks/submissions/${first.body.id}`);
    expect(read.body).toMatchObject({ status: "SCHEDULED", rev: 4, priority: 9, tags: ["t"] });
  });

  it("209 a debounced task is one a key, or one a type, and its delay begins anew", async () => {
    const debounced = { ...task, type: "factorial", payload: { n: 1 }, debounceSeconds: 60 };
    const first = await submit(debounced);
    expect(first.body).toMatchObject({ status: "SCHEDULED" });
    const runAt = async () => Date.parse(String((await call("GET", `/tasks/submissions/${first.body.id}`)).body.runAt));
    const before = await runAt();
    const second = await submit({ ...debounced, payload: { n: 2 }, debounceSeconds: 90 });
    expect(second).toMatchObject({ status: 202, body: { id: first.body.id, duplicate: true, replaced: true } });
    expect(await runAt()).toBeGreaterThanOrEqual(before + 30_000);
    const keyed = await submit({ ...debounced, unique: { by: "key", key: "mine" } });
    expect(keyed.body.id).not.toBe(first.body.id);
  });

  it("209 of a throttled task the first is told to all", async () => {
    const throttled = { ...task, type: "fail", payload: {}, throttleSeconds: 60, unique: { by: "payload" } };
    const first = await submit(throttled);
    expect(first.body).not.toHaveProperty("duplicate");
    expect((await submit({ ...throttled, priority: 9 })).body).toEqual({ ...Object(first.body), duplicate: true });
    expect((await submit({ ...throttled, unique: { by: "key", key: "k" } })).body.id).not.toBe(first.body.id);
  });

  it("209 throttled, debounced and unique under one name are three tasks", async () => {
    const unique = { by: "key", key: "three" };
    const kinds = [{ throttleSeconds: 60 }, { debounceSeconds: 60 }, { unique: { ...unique, within: "running" } }];
    const each = () => Promise.all(kinds.map(async (kind) => (await submit({ ...task, unique, ...kind })).body.id));
    const first = await each();
    expect(new Set(first).size).toBe(3);
    expect(await each()).toEqual(first);
  });

  it.each([
    [{ debounceSeconds: 1, throttleSeconds: 1 }, "/throttleSeconds"],
    [{ debounceSeconds: 1, delaySeconds: 1 }, "/debounceSeconds"],
    [{ debounceSeconds: 0 }, "/debounceSeconds"],
    [{ throttleSeconds: 1, unique: { by: "payload", within: "queued" } }, "/unique/within"],
    [{ throttleSeconds: 1, unique: { by: "payload", onConflict: "reject" } }, "/unique/onConflict"],
    [{ unique: { by: "payload" } }, "/unique/within"],
  ])("209 what cannot be together is 422 with its pointer: %j", async (more, pointer) => {
    const reply = await submit({ ...task, ...more });
    expect(reply).toMatchObject({ status: 422, body: { code: "invalid-request" } });
    expect(reply.body.errors?.map((error) => error.pointer)).toEqual([pointer]);
  });
});

describe("206 keys", () => {
  it("that name several shards: 422 where the batch is all or nothing, else each at its own", async () => {
    const tasks = Array.from({ length: 16 }, (_, i) => ({ ...task, unique: byKey(`k${i}`) }));
    const refused = await submit({ tasks });
    expect(refused).toMatchObject({ status: 422, body: { code: "invalid-request" } });
    expect(refused.body.errors?.[0]?.pointer).toMatch(/^\/tasks\/\d+\/unique$/);
    const first = await submit({ atomic: false, tasks });
    expect(first.body).toMatchObject({ accepted: 16 });
    const ids = first.body.results?.map((result) => result.id) ?? [];
    expect(new Set(ids.map((id) => String(id).split(".")[1])).size).toBeGreaterThan(3);
    const alone = await Promise.all(tasks.map((one) => submit(one)));
    expect(alone.map(({ body }) => body.id)).toEqual(ids);
  });

  it("with a limitKey go where that says, and are alone among the tasks of that limitKey", async () => {
    const keyed = { ...task, type: "fail", payload: {} };
    const limitKeys = ["a", "b", "c", "d", "e"];
    const alone = await Promise.all(limitKeys.map((limitKey) => submit({ ...keyed, limitKey })));
    const unique = await Promise.all(limitKeys.map((limitKey) => submit({ ...keyed, limitKey, unique: byKey("one") })));
    const again = await Promise.all(limitKeys.map((limitKey) => submit({ ...keyed, limitKey, unique: byKey("one") })));
    const shards = (replies: typeof alone) => replies.map(({ body }) => String(body.id).split(".")[1]);
    expect(new Set(shards(alone)).size).toBeGreaterThan(1);
    expect(shards(unique)).toEqual(shards(alone));
    expect(new Set(unique.map(({ body }) => body.id)).size).toBe(limitKeys.length);
    expect(again.map(({ body }) => body.id)).toEqual(unique.map(({ body }) => body.id));
  });
});
