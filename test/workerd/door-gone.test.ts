/** A queue that was deleted and made again: of what was, nobody is told anything, though D1 may still have it. */
import { env } from "cloudflare:workers";
import { expect, it, vi } from "vitest";
import { call } from "../support/workerd/call.ts";

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
