/** A queue that was deleted and made again: of what was, nobody is told anything, though D1 may still have it. */
import { env } from "cloudflare:workers";
import { expect, it, vi } from "vitest";
import { call } from "../support/workerd/call.ts";
import { altered, serviceWith, silence } from "../support/workerd/service.ts";

const QUEUE = "gone-once";

it("258 the tasks of a deleted queue are unknown, also under its name made again and with late rows in D1", async () => {
  await call("PUT", `/queues/${QUEUE}`, {});
  await call("POST", `/queues/${QUEUE}/pause`);
  const submit = async () => {
    const { body } = await call("POST", "/tasks/submissions", {
      tasks: [{ type: "echo", payload: "card 4111", queue: QUEUE }],
    });
    const id = String(body.ids?.[0]);
    await call("POST", `/tasks/submissions/${id}/cancel`);
    const left = async () => (await call("GET", `/queues/${QUEUE}`)).body.counts?.outboxRows;
    await vi.waitUntil(async () => (await left()) === 0, { timeout: 10_000 });
    return { id, batch: String(body.batch) };
  };
  const old = await submit();
  const rows = () => env.HISTORY_0.prepare("SELECT seq FROM history WHERE queue = ?").bind(QUEUE).all();
  const [late] = (await env.HISTORY_0.prepare("SELECT * FROM history WHERE queue = ?").bind(QUEUE).all()).results;
  expect((await call("GET", `/tasks/submissions/${old.id}?payload=true`)).body).toMatchObject({ payload: "card 4111" });

  expect((await call("DELETE", `/queues/${QUEUE}?force=true`)).status).toBe(204);
  await vi.waitUntil(async () => (await rows()).results.length === 0, { timeout: 10_000 });
  const { seq, rev, status, type, created_at, ended_at, expires_at, detail, payload } = late ?? {};
  await env.HISTORY_0.prepare(
    `INSERT INTO history (tenant, queue, shard, seq, rev, status, type, created_at, ended_at, expires_at, detail, payload)
     VALUES ('default', ?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  )
    .bind(QUEUE, seq, rev, status, type, created_at, ended_at, expires_at, detail, payload)
    .run();

  await call("PUT", `/queues/${QUEUE}`, {});
  const fresh = await submit();
  expect((await rows()).results).toHaveLength(2);
  const of = { status: 404, body: { code: "task-unknown" } };
  for (const [method, path] of [
    ["GET", `/tasks/${old.id}`],
    ["GET", `/tasks/submissions/${old.id}?payload=true`],
    ["GET", `/tasks/submissions/${old.id}/timeline`],
    ["POST", `/tasks/submissions/${old.id}/replay`],
    ["POST", `/tasks/submissions/${old.id}/cancel`],
    ["DELETE", `/tasks/submissions/${old.id}`],
  ] as const)
    expect(await call(method, path), path).toMatchObject(of);
  expect((await call("GET", `/tasks/submissions?ids=${old.id},${fresh.id}`)).body.tasks).toMatchObject([
    { problem: { code: "task-unknown" } },
    { id: fresh.id },
  ]);
  expect((await call("GET", `/tasks/submissions?batch=${old.batch}`)).body.code).toBe("batch-unknown");
  expect((await call("GET", `/tasks/submissions?batch=${fresh.batch}`)).body.counts).toMatchObject({ CANCELLED: 1 });
});

it("258 a shard that has not heard that its queue was made again tells of nobody; where it is silent it is 503", async () => {
  const queue = "gone-unheard";
  const make = () => call("PUT", `/queues/${queue}`, {});
  await make();
  await call("DELETE", `/queues/${queue}?force=true`);
  await make();
  await call("POST", `/queues/${queue}/pause`);
  const { id } = (await call("POST", "/tasks/submissions", { type: "echo", payload: 1, queue })).body;
  const doorWith = (firstSeq: () => Promise<{ v: 1; ok: true; first: number | null }>) =>
    serviceWith((real) => ({
      later: (ms, run) => real.later(ms / 20, run),
      shard: (address) => altered(real.shard(address), { firstSeq }),
    }));
  const unheard = { fetch: doorWith(async () => ({ v: 1, ok: true, first: null })) };
  const silent = { fetch: doorWith(() => silence()) };
  expect((await call("GET", `/tasks/submissions/${id}`)).status).toBe(200);
  expect(await call("GET", `/tasks/submissions/${id}`, undefined, unheard)).toMatchObject({ status: 404 });
  expect(await call("GET", `/tasks/submissions/${id}`, undefined, silent)).toMatchObject({ status: 503 });
});
