/** POSTs that the Directory answers, under an Idempotency-Key: done once, answered alike, and what comes twice without one. */
import { beforeAll, expect, it } from "vitest";
import { call } from "../support/workerd/call.ts";

const queue = "keyed-posts";
const under = (key: string) => ({ headers: { "idempotency-key": key } });
const url = (n: number) => `http://127.0.0.1:9/receiver-${n}`;

beforeAll(async () => {
  await call("PUT", `/queues/${queue}`, {});
  await call("POST", `/queues/${queue}/pause`);
});

const countOf = async ([path, list]: readonly [string, string]) => (await call("GET", path)).body[list]?.length;

it.each([
  ["/webhooks", { queue, url: url(1) }, { queue, url: url(2) }, ["/webhooks?queue=keyed-posts", "webhooks"]],
  [
    "/tasks/bulk",
    { action: "cancel", queue, filter: {} },
    { action: "discard", queue, filter: {} },
    ["/tasks/bulk", "jobs"],
  ],
  ["/dead-letters/redrive", { queue, filter: {} }, { queue, filter: { type: "echo" } }, ["/tasks/bulk", "jobs"]],
  [
    "/schedules",
    { type: "echo", payload: 1, everySeconds: 3600, queue },
    { type: "echo", payload: 2, everySeconds: 3600, queue },
    ["/schedules", "schedules"],
  ],
] as const)(
  "201 202 203 POST %s under a key is done once; with another body it is 422",
  async (path, body, other, list) => {
    const before = Number(await countOf(list));
    const first = await call("POST", path, body, under("k1"));
    const again = await call("POST", path, body, under("k1"));
    expect(first.status).toBeLessThan(300);
    expect([again.status, again.body, again.headers.get("idempotency-replayed")]).toEqual([
      first.status,
      first.body,
      "true",
    ]);
    expect(first.headers.get("idempotency-replayed")).toBeNull();
    expect(again.headers.get("location")).toBe(first.headers.get("location"));
    const reused = await call("POST", path, other, under("k1"));
    expect([reused.status, reused.body.code]).toEqual([422, "idempotency-key-reused"]);
    expect(await countOf(list)).toBe(before + 1);
    expect((await call("POST", path, other, under("k2"))).status).toBe(first.status);
  },
);

it("201 202 a secret that is changed under a key is changed once, each webhook by itself", async () => {
  const ids = await Promise.all(
    [11, 12].map(async (n) => (await call("POST", "/webhooks", { queue, url: url(n) })).body.id),
  );
  const change = (id: unknown) => call("POST", `/webhooks/${id}/rotate-secret`, undefined, under("k1"));
  const first = await change(ids[0]);
  expect((await change(ids[0])).body).toEqual(first.body);
  expect((await call("GET", `/webhooks/${ids[0]}/secret`)).body).toEqual(first.body);
  expect((await change(ids[1])).body.secret).not.toBe(first.body.secret);
});

it("203 a refused request takes no key", async () => {
  const refused = await call("POST", "/webhooks", { queue: "not-there", url: url(21) }, under("k3"));
  expect(refused).toMatchObject({ status: 404, body: { code: "queue-unknown" } });
  expect((await call("POST", "/webhooks", { queue, url: url(21) }, under("k3"))).status).toBe(201);
});

it("297 a second webhook of the same queue and url is 409 and names the first; so is a change to its url", async () => {
  const { body: first } = await call("POST", "/webhooks", { queue, url: url(31) });
  const second = await call("POST", "/webhooks", { queue, url: url(31), description: "again" });
  expect(second).toMatchObject({ status: 409, body: { code: "webhook-exists" } });
  expect(second.body.detail).toContain(String(first.id));
  const { body: other } = await call("POST", "/webhooks", { queue, url: url(32) });
  expect((await call("PATCH", `/webhooks/${other.id}`, { url: url(31) })).status).toBe(409);
  expect((await call("PATCH", `/webhooks/${first.id}`, { url: url(31), disabled: true })).status).toBe(200);
});
