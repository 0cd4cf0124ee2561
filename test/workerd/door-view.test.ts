/** A task as its reader sees it: what it was told, why it ended, and what it was given. */
import { beforeAll, describe, expect, it, vi } from "vitest";
import { call, type Json } from "../support/workerd/call.ts";

const task = { type: "echo", payload: { n: 1, text: "é\u2028", list: [1.5, null] }, queue: "views" };
async function submitted(more: object = {}): Promise<string> {
  return `/tasks/submissions/${(await call("POST", "/tasks/submissions", { ...task, ...more })).body.id}`;
}
const read = async (path: string): Promise<Json> => (await call("GET", path)).body;

/** Until D1 alone has what has ended. */
async function inHistory(): Promise<void> {
  await vi.waitUntil(async () => (await read("/queues/views")).counts?.outboxRows === 0, { timeout: 10_000 });
}

beforeAll(async () => {
  await call("PUT", "/queues/views", {});
  await call("POST", "/queues/views/pause");
});

const TOLD = {
  timeoutMs: 5_000,
  retry: { maxAttempts: 2, baseMs: 10 },
  maxCrashes: 3,
  onCrash: "fail",
  resultTtlSeconds: 60,
  keepPayload: true,
  callback: { url: "https://example.com/told", events: ["FAILED"] },
};

describe("159 a task shows", () => {
  it("what it was told of how it runs, live and from D1, and nothing that it was not told", async () => {
    const path = await submitted(TOLD);
    expect(await read(path)).toMatchObject({ status: "QUEUED", ...TOLD });
    const plain = await read(await submitted());
    for (const name of Object.keys(TOLD)) expect(plain).not.toHaveProperty(name);
    await call("POST", `${path}/cancel`);
    await inHistory();
    expect(await read(path)).toMatchObject({ status: "CANCELLED", ...TOLD });
  });

  it("163 why it was cancelled or has expired, without a stack", async () => {
    const cancelled = await submitted();
    expect((await call("POST", `${cancelled}/cancel`)).body).toMatchObject({
      status: "CANCELLED",
      error: { code: "cancelled", message: "cancelled while QUEUED" },
    });
    const expired = await submitted({ ttlSeconds: 0.05 });
    const { status, error } = await read(`${expired}?wait=10`);
    expect([status, error]).toEqual(["EXPIRED", expect.objectContaining({ code: "expired" })]);
    expect(error).not.toHaveProperty("stack");
    await inHistory();
    expect(await read(cancelled)).toMatchObject({ error: { code: "cancelled" } });
  });

  it("its payload where that is asked for: while it waits, as it was changed, and from D1", async () => {
    const path = await submitted();
    expect(await read(path)).not.toHaveProperty("payload");
    expect(await read(`${path}?payload=false`)).not.toHaveProperty("payload");
    expect(await read(`${path}?payload=true`)).toMatchObject({ status: "QUEUED", payload: task.payload });
    await call("PATCH", path, { payload: [null] });
    expect(await read(`${path}?payload=true&wait=0`)).toMatchObject({ rev: 2, payload: [null] });
    await call("POST", `${path}/cancel`);
    expect(await read(`${path}?payload=true&wait=1`)).toMatchObject({ status: "CANCELLED", payload: [null] });
    await inHistory();
    const kept = await call("GET", `${path}?payload=true`);
    expect(kept.body).toMatchObject({ status: "CANCELLED", payload: [null] });
    // 222: how far a task is changes between two revisions.
    const none = { headers: { "if-none-match": `"${kept.body.rev}"` } };
    expect((await call("GET", `/tasks/submissions/${kept.body.id}`, undefined, none)).status).toBe(200);
    expect(kept.headers.get("etag")).toBe(`"${kept.body.rev}"`);
    expect(await call("GET", `${path}?payload=yes`)).toMatchObject({
      status: 422,
      body: { errors: [{ pointer: "?payload" }] },
    });
  });

  it("225 no payload where history was not given it", async () => {
    const path = await submitted({ keepPayload: false });
    expect(await read(`${path}?payload=true`)).toMatchObject({ payload: task.payload });
    await call("POST", `${path}/cancel`);
    await inHistory();
    const kept = await read(`${path}?payload=true`);
    expect(kept).toMatchObject({ status: "CANCELLED", keepPayload: false });
    expect(kept).not.toHaveProperty("payload");
  });
});
