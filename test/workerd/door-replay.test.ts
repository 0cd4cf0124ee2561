/** A finished task again, over HTTP: from its shard and from D1, as it was and edited. */
import { beforeAll, describe, expect, it, vi } from "vitest";
import { call, type Reply } from "../support/workerd/call.ts";

const submit = async (task: object): Promise<string> =>
  String((await call("POST", "/tasks/submissions", task)).body.id);
const wait = (id: unknown): Promise<Reply> => call("GET", `/tasks/submissions/${id}?wait=20`);
const view = async (id: unknown) => (await call("GET", `/tasks/submissions/${id}`)).body;
const replay = (id: unknown, body?: object, headers: Record<string, string> = {}): Promise<Reply> =>
  call("POST", `/tasks/submissions/${id}/replay`, body, { headers });

beforeAll(async () => {
  await call("PUT", "/queues/held", {});
  await call("POST", "/queues/held/pause");
});

describe("278 a replay", () => {
  it("E10 of a task that history has runs again as it was, and both tell of each other", async () => {
    const id = await submit({ type: "echo", payload: { n: 1 }, priority: 8, tags: ["t"], limitKey: "k" });
    expect((await wait(id)).body.status).toBe("SUCCEEDED");
    await vi.waitFor(async () => expect((await call("GET", "/queues/default")).body.counts?.outboxRows).toBe(0));
    const made = await replay(id);
    expect(made).toMatchObject({ status: 202, body: { queue: "default", status: "QUEUED", replayOf: id } });
    expect(made.headers.get("location")).toBe(`/tasks/submissions/${made.body.id}`);
    expect((await wait(made.body.id)).body).toMatchObject({
      status: "SUCCEEDED",
      priority: 8,
      tags: ["t"],
      limitKey: "k",
      replayOf: id,
    });
    expect((await call("GET", `/tasks/${made.body.id}`)).body.result).toEqual({ n: 1 });
    await vi.waitFor(async () => expect(await view(id)).toMatchObject({ replayedBy: [made.body.id] }));
    expect((await call("GET", `/tasks/${id}`)).body.result).toEqual({ n: 1 });
  });

  it("E10 of a dead letter, edited; the dead letter stays", async () => {
    const id = await submit({ type: "fail", payload: { times: 9 }, retry: { maxAttempts: 1 } });
    expect((await wait(id)).body.status).toBe("FAILED");
    expect(await replay(id, { payload: { times: "x" } })).toMatchObject({
      status: 422,
      body: { code: "payload-invalid", errors: [{ pointer: "/payload/times" }] },
    });
    const { body } = await replay(id, { payload: { times: 0 }, priority: "critical" });
    expect((await wait(body.id)).body).toMatchObject({ status: "SUCCEEDED", priority: 9, replayOf: id });
    expect(await view(id)).toMatchObject({ status: "FAILED", replayedBy: [body.id] });
    expect((await call("GET", `/dead-letters/${id}`)).status).toBe(200);
  });

  it("can be put off, and is refused what a change is refused", async () => {
    const id = await submit({ type: "echo", payload: 1 });
    await wait(id);
    expect((await replay(id, { delaySeconds: 60 })).body.status).toBe("SCHEDULED");
    const refused: [object, string][] = [
      [{ delaySeconds: 1, runAt: "2030-01-01T00:00:00Z" }, "/delaySeconds"],
      [{ queue: "other" }, "/queue"],
      [{ priority: 11 }, "/priority"],
    ];
    for (const [body, pointer] of refused)
      expect(await replay(id, body)).toMatchObject({ status: 422, body: { errors: [{ pointer }] } });
  });

  it("of one that has not ended is 409; of one whose payload was not kept 422 without one", async () => {
    const waiting = await submit({ type: "echo", payload: 1, queue: "held" });
    expect(await replay(waiting)).toMatchObject({ status: 409, body: { code: "task-unfinished" } });
    const id = await submit({ type: "echo", payload: 1, keepPayload: false });
    await wait(id);
    expect(await replay(id)).toMatchObject({ status: 422, body: { errors: [{ pointer: "/payload" }] } });
    expect((await replay(id, { payload: 2 })).status).toBe(202);
    expect(await replay(`nowhere.0.${id.slice(-11)}`)).toMatchObject({ status: 404, body: { code: "task-unknown" } });
  });
});

describe("279 its Idempotency-Key", () => {
  it("makes it one replay, and is another task's own", async () => {
    const [id, other] = [await submit({ type: "echo", payload: 1 }), await submit({ type: "echo", payload: 1 })];
    for (const one of [id, other]) await wait(one);
    const headers = { "idempotency-key": "again" };
    const first = await replay(id, undefined, headers);
    const again = await replay(id, undefined, headers);
    expect(again.body).toEqual(first.body);
    expect(again.headers.get("idempotency-replayed")).toBe("true");
    expect(await replay(other, undefined, headers)).toMatchObject({
      status: 422,
      body: { code: "idempotency-key-reused" },
    });
    expect(await view(id)).toMatchObject({ replayedBy: [first.body.id] });
  });
});
