/** Queues over HTTP. */
import { describe, expect, it } from "vitest";
import { call, type Reply } from "../support/workerd/call.ts";
import { serviceWith } from "../support/workerd/service.ts";

const submit = (body: object, fetch?: (request: Request) => Promise<Response>): Promise<Reply> =>
  call("POST", "/tasks/submissions", body, fetch ? { fetch } : {});

describe("queues", () => {
  it("179 180 PUT makes one with defaults, PATCH changes what is named, PUT puts the rest back", async () => {
    const made = await call("PUT", "/queues/mail", { concurrency: 3 });
    expect(made).toMatchObject({
      status: 200,
      body: { queue: "mail", paused: false, settings: { concurrency: 3, depthLimit: 10_000 } },
    });
    const patched = await call("PATCH", "/queues/mail", { slots: 2 });
    expect(patched.body).toMatchObject({ settings: { concurrency: 3, slots: 2 }, shards: { asked: 1, answered: 1 } });
    expect(Number(patched.body.version)).toBeGreaterThan(Number(made.body.version));
    expect((await call("PUT", "/queues/mail", {})).body).toMatchObject({ settings: { concurrency: null, slots: 6 } });
  });

  it("183 GET has settings and live counts, the list has each queue", async () => {
    await call("PUT", "/queues/counted", {});
    await call("POST", "/queues/counted/pause");
    await submit({ type: "echo", payload: 1, queue: "counted" });
    await submit({ type: "echo", payload: 1, queue: "counted", delaySeconds: 60 });
    const { body } = await call("GET", "/queues/counted");
    expect(body).toMatchObject({
      queue: "counted",
      paused: true,
      counts: {
        depth: 2,
        queued: 1,
        scheduled: 1,
        running: 0,
        deadLetters: 0,
        pendingDeliveries: 0,
        oldestQueuedAt: expect.stringMatching(/Z$/),
      },
      shards: { asked: 1, answered: 1 },
    });
    const list = await call("GET", "/queues");
    expect(list.body.queues).toContainEqual(expect.objectContaining({ queue: "counted", paused: true }));
  });

  it("120 a paused queue takes tasks and starts none; resumed it runs them", async () => {
    await call("PUT", "/queues/stopped", {});
    expect((await call("POST", "/queues/stopped/pause")).body).toMatchObject({ queue: "stopped", paused: true });
    const { body } = await submit({ type: "echo", payload: 1, queue: "stopped" });
    expect((await call("GET", `/tasks/submissions/${body.id}?wait=1`)).body.status).toBe("QUEUED");
    expect((await call("POST", "/queues/stopped/resume")).body).toMatchObject({ paused: false });
    expect((await call("GET", `/tasks/submissions/${body.id}?wait=20`)).body.status).toBe("SUCCEEDED");
  });

  it("256 a drained queue refuses what is new and runs what it has; resumed it takes tasks again", async () => {
    await call("PUT", "/queues/closing", {});
    const { body } = await submit({ type: "echo", payload: 1, queue: "closing", delaySeconds: 1 });
    expect((await call("POST", "/queues/closing/drain")).body).toMatchObject({ paused: false, draining: true });
    const refused = await submit({ type: "echo", payload: 1, queue: "closing" });
    expect(refused).toMatchObject({ status: 503, body: { code: "draining", retryable: true } });
    expect(refused.headers.get("retry-after")).toBe("30");
    expect((await call("GET", `/tasks/submissions/${body.id}?wait=20`)).body.status).toBe("SUCCEEDED");
    expect((await call("POST", "/queues/closing/resume")).body).toMatchObject({ draining: false });
    expect((await submit({ type: "echo", payload: 1, queue: "closing" })).status).toBe(202);
  });

  it("260 purge ends what waits in every shard, counts it, and takes statuses", async () => {
    await call("PUT", "/queues/heap", { shards: 3 });
    await call("POST", "/queues/heap/pause");
    const queued = Array.from({ length: 30 }, () => ({ type: "echo", payload: 1, queue: "heap" }));
    const ids = await Promise.all(queued.map(async (task) => String((await submit(task)).body.id)));
    await submit({ type: "echo", payload: 1, queue: "heap", delaySeconds: 60 });
    expect(await call("POST", "/queues/heap/purge", { status: ["QUEUED"] })).toMatchObject({
      status: 200,
      body: { queue: "heap", purged: 30, more: false, shards: { asked: 3, answered: 3 } },
    });
    expect((await call("GET", `/tasks/${ids[0]}`)).body).toMatchObject({ status: "CANCELLED" });
    expect((await call("POST", "/queues/heap/purge")).body).toMatchObject({ purged: 1, more: false });
    expect((await call("GET", "/queues/heap")).body.counts).toMatchObject({ depth: 0 });
    expect(await call("POST", "/queues/heap/purge", { status: ["RUNNING"] })).toMatchObject({
      status: 422,
      body: { errors: [{ pointer: "/status/0" }] },
    });
    expect((await call("POST", "/queues/none/purge")).body.code).toBe("queue-unknown");
    const { body } = await call("GET", "/operator-events");
    expect(body.events).toContainEqual(expect.objectContaining({ kind: "queue-purged", detail: "heap: 30 tasks" }));
    const { body: own } = await call("GET", "/operator-events?queue=heap&kind=queue-purged&limit=1");
    expect(own.events).toMatchObject([{ kind: "queue-purged", queue: "heap" }]);
    const { body: rest } = await call("GET", `/operator-events?queue=heap&kind=queue-purged&cursor=${own.cursor}`);
    expect(rest).toMatchObject({ events: [{ detail: "heap: 30 tasks" }], cursor: null });
  });

  it("257 258 DELETE takes what drains and is empty; made again it is new", async () => {
    await call("PUT", "/queues/gone", { slots: 2 });
    await call("POST", "/queues/gone/pause");
    const { body } = await submit({ type: "echo", payload: 1, queue: "gone" });
    expect(await call("DELETE", "/queues/gone")).toMatchObject({ status: 409, body: { code: "queue-not-empty" } });
    await call("POST", "/queues/gone/drain");
    const held = await call("DELETE", "/queues/gone?force=false");
    expect(held).toMatchObject({ status: 409, body: { code: "queue-not-empty" } });
    expect(String(held.body.detail)).toContain("1 unfinished task.");
    expect((await call("DELETE", "/queues/gone?force=yes")).body.errors).toMatchObject([{ pointer: "?force" }]);
    expect((await call("DELETE", "/queues/gone?force=true")).status).toBe(204);
    expect((await call("GET", "/queues/gone")).status).toBe(404);
    expect((await submit({ type: "echo", payload: 1, queue: "gone" })).body.code).toBe("queue-unknown");
    expect((await call("GET", `/tasks/submissions/${body.id}`)).status).toBe(404);
    const again = await call("PUT", "/queues/gone", {});
    expect(again.body).toMatchObject({ paused: false, draining: false, settings: { slots: 6 } });
    expect((await call("GET", `/tasks/submissions/${body.id}`)).status).toBe(404);
    const { body: fresh } = await submit({ type: "echo", payload: 2, queue: "gone" });
    expect((await call("GET", `/tasks/submissions/${fresh.id}?wait=20`)).body.status).toBe("SUCCEEDED");
  });

  it.each<[string, string, string, unknown, number, string, string | null]>([
    ["an unknown queue", "DELETE", "/queues/none", undefined, 404, "queue-unknown", null],
    ["an unknown queue", "GET", "/queues/none", undefined, 404, "queue-unknown", null],
    ["an unknown queue", "PATCH", "/queues/none", {}, 404, "queue-unknown", null],
    ["an unknown queue", "POST", "/queues/none/pause", undefined, 404, "queue-unknown", null],
    ["a name with a dot", "GET", "/queues/a.b", undefined, 404, "queue-unknown", null],
    ["a name with a dot", "PUT", "/queues/a.b", {}, 422, "invalid-request", "{queue}"],
    ["an unknown setting", "PUT", "/queues/bad", { depth: 1 }, 422, "invalid-request", "/depth"],
    ["a setting out of bounds", "PUT", "/queues/bad", { shards: 65 }, 422, "invalid-request", "/shards"],
    ["a lease below the CPU limit", "PUT", "/queues/bad", { leaseMs: 40_000 }, 422, "invalid-request", "/leaseMs"],
    [
      "a cap below its base",
      "PUT",
      "/queues/bad",
      { retry: { baseMs: 5_000, capMs: 1_000 } },
      422,
      "invalid-request",
      "/retry/capMs",
    ],
    [
      "less depth than shards",
      "PUT",
      "/queues/bad",
      { shards: 4, depthLimit: 3 },
      422,
      "invalid-request",
      "/depthLimit",
    ],
  ])("181 %s: %s %s is refused", async (_, method, path, body, status, code, pointer) => {
    const reply = await call(method, path, body);
    expect(reply).toMatchObject({ status, body: { code } });
    if (pointer !== null) expect(reply.body.errors?.map((error) => error.pointer)).toEqual([pointer]);
  });

  it("181 a cap that a PATCH brings below the base that is there is refused", async () => {
    await call("PUT", "/queues/capped", { retry: { baseMs: 5_000 } });
    expect(await call("PATCH", "/queues/capped", { retry: { capMs: 1_000 } })).toMatchObject({
      status: 422,
      body: { code: "invalid-request", errors: [{ pointer: "/retry/capMs" }] },
    });
    expect((await call("PATCH", "/queues/capped", { retry: { capMs: 5_000 } })).status).toBe(200);
  });

  it("179 whoever notices it says the same of a queue that is not there, and how it is made", async () => {
    const task = { type: "echo", payload: 1, queue: "nobodys" };
    for (const [method, path, body] of [
      ["GET", "/queues/nobodys", undefined],
      ["PATCH", "/queues/nobodys", {}],
      ["POST", "/queues/nobodys/pause", undefined],
      ["POST", "/queues/nobodys/resume", undefined],
      ["POST", "/tasks/submissions", task],
      ["POST", "/tasks/submissions", { tasks: [task] }],
      ["PUT", "/schedules/nobodys", { ...task, everySeconds: 60 }],
    ] as const)
      expect(await call(method, path, body), `${method} ${path}`).toMatchObject({
        status: 404,
        body: {
          code: "queue-unknown",
          detail: expect.stringContaining("There is no queue nobodys. PUT /queues/nobodys makes it."),
        },
      });
    expect((await call("GET", "/queues/a.b")).body.detail).toBe("There is no queue a.b, and none can have that name.");
  });

  it("180 keyShards and history are fixed once the queue is there", async () => {
    await call("PUT", "/queues/fixed", { keyShards: 2 });
    expect(await call("PATCH", "/queues/fixed", { keyShards: 3 })).toMatchObject({
      status: 409,
      body: { code: "setting-fixed", errors: [{ pointer: "/keyShards" }] },
    });
  });

  it("123 182 shards raised: the next submissions spread, by a door that knew fewer too", async () => {
    const other = serviceWith((real) => ({ now: () => real.now() }));
    await call("PUT", "/queues/wide", {});
    await call("POST", "/queues/wide/pause");
    await submit({ type: "echo", payload: 1, queue: "wide" }, other);
    await call("PATCH", "/queues/wide", { shards: 8 });
    const ids = await Promise.all(
      Array.from({ length: 200 }, async (_, i) =>
        String((await submit({ type: "echo", payload: i, queue: "wide" })).body.id),
      ),
    );
    const shards = new Map<string, number>();
    for (const id of ids) shards.set(String(id.split(".")[1]), (shards.get(String(id.split(".")[1])) ?? 0) + 1);
    expect(shards.size).toBe(8);
    const far = ids.find((id) => !id.startsWith("wide.0."));
    expect((await call("GET", `/tasks/submissions/${far}`, undefined, { fetch: other })).status).toBe(200);
  });
});
