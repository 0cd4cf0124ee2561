/** Webhooks and deliveries over HTTP: their shape, and what is wrong with what was sent. */
import { beforeAll, describe, expect, it } from "vitest";
import { call } from "../support/workerd/call.ts";

const QUEUE = "hooked";
/** Answers 503, as all that is asked from here (vitest.config.ts). */
const url = "https://receiver.example/hook";

beforeAll(async () => {
  await call("PUT", `/queues/${QUEUE}`, { shards: 2 });
});

async function create(more: object = {}): Promise<string> {
  const { status, body } = await call("POST", "/webhooks", { queue: QUEUE, url, ...more });
  expect(status).toBe(201);
  return String(body.id);
}

/** Tasks that have ended. */
async function end(count: number, task: object = {}) {
  const submit = () => call("POST", "/tasks/submissions", { type: "echo", payload: 1, queue: QUEUE, ...task });
  const made = await Promise.all(Array.from({ length: count }, submit));
  const ids = made.map(({ body }) => String(body.id));
  for (const id of ids) await call("GET", `/tasks/submissions/${id}?wait=20`);
  return ids;
}

describe("297 /webhooks", () => {
  it("made, shown, listed, changed, deleted; the secret is told when it is made, and where it is asked for", async () => {
    const made = await call("POST", "/webhooks", { queue: QUEUE, url, events: ["FAILED"], description: "mine" });
    expect(made.headers.get("location")).toBe(`/webhooks/${made.body.id}`);
    expect(made.body).toMatchObject({ queue: QUEUE, url, events: ["FAILED"], description: "mine", disabled: false });
    expect(made.body.secret).toMatch(/^whsec_[A-Za-z0-9+/]+=*$/);
    const path = `/webhooks/${made.body.id}`;
    const { secret } = made.body;
    const { body: view } = await call("GET", path);
    expect(made.body).toMatchObject(view);
    expect((await call("GET", `/webhooks?queue=${QUEUE}`)).body.webhooks).toContainEqual(view);
    expect((await call("GET", `${path}/secret`)).body).toEqual({ secret, previous: null });
    const { body: rotated } = await call("POST", `${path}/rotate-secret`);
    expect(rotated).toMatchObject({ previous: { secret } });
    const changed = await call("PATCH", path, { events: null, disabled: true });
    expect(changed.body).toMatchObject({ events: ["SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED"], disabled: true });
    expect((await call("DELETE", path)).status).toBe(204);
    expect(await call("GET", path)).toMatchObject({ status: 404, body: { code: "webhook-unknown" } });
  });

  it("no answer about queues tells a secret", async () => {
    const id = await create();
    const answers = [
      await call("GET", `/queues/${QUEUE}`),
      await call("GET", "/queues"),
      await call("PATCH", `/queues/${QUEUE}`, { slots: 7 }),
      await call("POST", `/queues/${QUEUE}/pause`),
      await call("POST", `/queues/${QUEUE}/resume`),
      await call("GET", "/operator-events"),
    ];
    for (const { status, body } of answers) {
      expect(status).toBe(200);
      expect(JSON.stringify(body)).not.toContain("whsec_");
      expect(JSON.stringify(body)).not.toContain(`"hooks"`);
    }
    await call("DELETE", `/webhooks/${id}`);
  });

  it("a test is a delivery of its own, which tells of no task", async () => {
    const id = await create();
    const { status, body } = await call("POST", `/webhooks/${id}/test`);
    expect(status).toBe(202);
    expect(body).toMatchObject({ event: "ping", task: null, webhook: id, url, body: { type: "ping" } });
    expect((await call("GET", `/webhooks/deliveries/${body.id}`)).body).toMatchObject({ id: body.id, event: "ping" });
    await call("DELETE", `/webhooks/${id}`);
  });

  it("what is wrong is named", async () => {
    const faulty = await call("POST", "/webhooks", { queue: "a b", url: "ftp://x", events: ["RUNNING"], x: 1 });
    expect(faulty).toMatchObject({ status: 422, body: { code: "invalid-request" } });
    const pointers = (faulty.body.errors ?? []).map(({ pointer }) => String(pointer));
    expect(pointers.sort()).toEqual(["/events/0", "/queue", "/url", "/x"]);
    expect(await call("POST", "/webhooks", { queue: "nowhere", url })).toMatchObject({
      status: 404,
      body: { code: "queue-unknown", errors: [{ pointer: "/queue" }] },
    });
    for (const name of ["nowhere", "a%20b"])
      expect(await call("GET", `/webhooks?queue=${name}`)).toMatchObject({
        status: 404,
        body: { code: "queue-unknown", errors: [{ pointer: "?queue" }] },
      });
    expect(await call("PATCH", "/webhooks/wh_1", {})).toMatchObject({ status: 422 });
    for (const [method, path] of [
      ["GET", "/webhooks/nonsense"],
      ["PATCH", "/webhooks/wh_1"],
      ["DELETE", "/webhooks/wh_1"],
      ["POST", "/webhooks/wh_1/test"],
      ["GET", "/webhooks/wh_1/secret"],
    ] as const)
      expect(await call(method, path, method === "PATCH" ? { url } : undefined)).toMatchObject({
        status: 404,
        body: { code: "webhook-unknown" },
      });
  });
});

describe("295 a task's callback", () => {
  it("is shown with the task, and refused with its place where it is wrong; its secret can be changed", async () => {
    const callback = { url, events: ["FAILED"] };
    const [id] = await end(1, { callback });
    expect((await call("GET", `/tasks/submissions/${id}`)).body).toMatchObject({ status: "SUCCEEDED", callback });
    const wrong = { type: "echo", payload: 1, callback: { url: "nowhere", when: 1 } };
    expect((await call("POST", "/tasks/submissions", wrong)).body.errors).toMatchObject([
      { pointer: "/callback/url" },
      { pointer: "/callback/when" },
    ]);
    const { body: before } = await call("GET", "/webhooks/signing-secret");
    const { body: after } = await call("POST", "/webhooks/signing-secret/rotate");
    expect(after).toMatchObject({ previous: { secret: before.secret } });
  });
});

describe("298 /webhooks/deliveries", () => {
  it("are listed over all shards, the newest first, by pages, narrowed; each is shown and sent again by its id", async () => {
    const id = await create();
    const tasks = await end(7);
    const all: string[] = [];
    for (let cursor = ""; ; ) {
      const { body } = await call("GET", `/webhooks/deliveries?queue=${QUEUE}&webhook=${id}&limit=3${cursor}`);
      all.push(...(body.deliveries ?? []).map(({ task }) => String(task)));
      if (body.cursor === null) break;
      cursor = `&cursor=${encodeURIComponent(String(body.cursor))}`;
    }
    expect(all.sort()).toEqual(tasks.sort());
    const { body } = await call("GET", `/webhooks/deliveries?task=${tasks[0]}`);
    const [delivery] = body.deliveries ?? [];
    expect(delivery).toMatchObject({ webhook: id, event: "SUCCEEDED", task: tasks[0], queue: QUEUE });
    expect(delivery).not.toHaveProperty("body");
    const one = await call("GET", `/webhooks/deliveries/${delivery?.id}`);
    expect(one.body).toMatchObject({
      id: delivery?.id,
      body: { type: "task.finished", data: { id: tasks[0], result: 1 } },
    });
    expect(await call("POST", `/webhooks/deliveries/${delivery?.id}/redeliver`)).toMatchObject({
      status: 202,
      body: { id: delivery?.id, status: "pending" },
    });
    expect((await call("GET", `/queues/${QUEUE}`)).body).toMatchObject({ counts: { pendingDeliveries: 7 } });
    await call("DELETE", `/webhooks/${id}`);
  });

  it("what is wrong is named", async () => {
    for (const [query, pointer] of [
      ["", "?queue"],
      ["?queue=hooked&status=lost", "?status"],
      ["?queue=hooked&limit=0", "?limit"],
      ["?queue=hooked&cursor=x", "?cursor"],
      ["?queue=hooked&event=x", "?event"],
    ])
      expect(await call("GET", `/webhooks/deliveries${query}`)).toMatchObject({
        status: 422,
        body: { errors: [{ pointer }] },
      });
    for (const [query, code] of [
      ["queue=nowhere", "queue-unknown"],
      ["task=nonsense", "task-unknown"],
      ["webhook=wh_1", "webhook-unknown"],
    ])
      expect(await call("GET", `/webhooks/deliveries?${query}`)).toMatchObject({ status: 404, body: { code } });
    for (const id of ["nonsense", "msg_hooked.0.06aa9ng0000", "msg_nowhere.0.06aa9ng0000"])
      expect(await call("POST", `/webhooks/deliveries/${id}/redeliver`)).toMatchObject({
        status: 404,
        body: { code: "delivery-unknown" },
      });
  });
});
