/** `dryRun: true` over HTTP, on real objects: what would become of a submission, and that nothing does. */
import { runInDurableObject } from "cloudflare:test";
import { beforeAll, describe, expect, it } from "vitest";
import { call, type Json } from "../support/workerd/call.ts";
import { altered, serviceWith, silence } from "../support/workerd/service.ts";
import { stubOf, summary } from "../support/workerd/shard.ts";

const submit = (body: unknown, headers = {}) => call("POST", "/tasks/submissions", body, { headers });
const attempt = (body: object, headers = {}) => submit({ ...body, dryRun: true }, headers);
const task = { type: "echo", payload: "x", queue: "tried" };
const shardsOf = (body: Json): readonly Json[] => body.shards ?? [];

const tablesOf = (queue: string): Promise<number> =>
  runInDurableObject(
    stubOf(queue),
    (_, state) =>
      state.storage.sql.exec("SELECT name FROM sqlite_master WHERE name NOT LIKE '\\_%' ESCAPE '\\'").toArray().length,
  );

beforeAll(async () => {
  await call("PUT", "/queues/tried", {});
  await call("PUT", "/queues/tried-fresh", {});
  await call("PUT", "/queues/tried-many", { shards: 3, keyShards: 5 });
  for (const queue of ["tried", "tried-many"]) await call("POST", `/queues/${queue}/pause`);
});

describe("E10 283 a dry run", () => {
  it("tells queue, shard, status, what goes first and what would hold it back; and submits nothing", async () => {
    await submit(task);
    const { status, body, headers } = await attempt({ ...task, priority: 1 });
    expect([status, headers.get("location")]).toEqual([200, null]);
    expect(body).toMatchObject({ dryRun: true, accepted: true, queue: "tried", shard: 0 });
    expect(body).not.toHaveProperty("makesQueue");
    expect(shardsOf(body)).toMatchObject([
      {
        shard: 0,
        accepted: true,
        status: "QUEUED",
        ahead: 1,
        earliestStart: null,
        decidedBy: "paused",
        reasons: [{ code: "paused" }, { code: "ahead", count: 1, moreUrgent: 1 }],
      },
    ]);
    const later = await attempt({ ...task, delaySeconds: 60 });
    expect(shardsOf(later.body)[0]).toMatchObject({ status: "SCHEDULED", ahead: null, runAt: expect.any(String) });
    expect(await summary("tried")).toMatchObject({ depth: 1 });
  });

  it("makes no table, and no queue: neither default nor one that a type is routed to", async () => {
    expect((await attempt({ ...task, queue: "tried-fresh" })).body).toMatchObject({ accepted: true });
    expect(await tablesOf("tried-fresh")).toBe(0);
    await call("PUT", "/queues/tried-routed", {});
    await call("PUT", "/types/tried%2Frouted", { queue: "tried-routed" });
    const before = (await call("GET", "/queues")).body;
    const routed = await attempt({ type: "tried/routed", payload: 1 });
    expect(routed.body).toMatchObject({ accepted: true, queue: "tried-routed" });
    const unique = { by: "key", key: "sibling", within: "running" };
    const batch = await attempt({
      tasks: [
        { type: "echo", payload: 1, unique },
        { type: "echo", payload: 2, unique },
      ],
    });
    expect(batch.body).toMatchObject({ makesQueue: true, results: [{ ahead: 0 }, { duplicateOfIndex: 0 }] });
    const fresh = await attempt({ type: "echo", payload: 1 });
    expect(fresh.body).toMatchObject({ accepted: true, queue: "default", makesQueue: true, shard: 0 });
    expect(shardsOf(fresh.body)[0]).toMatchObject({ status: "QUEUED", ahead: 0, earliestStart: "now", reasons: [] });
    expect((await call("GET", "/queues")).body).toEqual(before);
    expect((await call("GET", "/queues/default")).status).toBe(404);
    expect(await attempt({ ...task, queue: "tried-never" })).toMatchObject({
      status: 404,
      body: { code: "queue-unknown" },
    });
  });

  it("is checked as the submission is, and itself", async () => {
    for (const [body, code, pointers] of [
      [{ ...task, type: "fail", payload: "x" }, "payload-invalid", ["/payload"]],
      [{ ...task, type: "nothing" }, "type-unknown", ["/type"]],
      [{ ...task, priority: 10, wrong: 1 }, "invalid-request", ["/priority", "/wrong"]],
      [{ tasks: [task, { ...task, queue: "tried-fresh" }] }, "invalid-request", ["/tasks/1"]],
      [{ tasks: [] }, "invalid-request", ["/tasks"]],
    ] as const) {
      const dry = await attempt(body);
      const real = await submit(body);
      expect([dry.status, dry.body.code], JSON.stringify(body)).toEqual([422, code]);
      expect([...(dry.body.errors ?? [])].map(({ pointer }) => pointer)).toEqual(pointers);
      expect({ ...Object(dry.body), requestId: 0 }).toEqual({ ...Object(real.body), requestId: 0 });
    }
    const wrong = await submit({ ...task, priority: 10, dryRun: "yes" });
    expect([wrong.status, wrong.body.errors?.map(({ pointer }) => pointer)]).toEqual([422, ["/dryRun", "/priority"]]);
    expect((await submit({ tasks: [task], dryRun: 1 })).body.errors?.[0]?.pointer).toBe("/dryRun");
    expect((await submit({ tasks: [{ ...task, dryRun: true }] })).body.errors?.[0]?.pointer).toBe("/tasks/0/dryRun");
    expect((await submit({ ...task, dryRun: false })).status).toBe(202);
  });

  it("knows a duplicate, by its key or by the Idempotency-Key, and which task it is", async () => {
    const unique = { by: "key", key: "dry", within: "running" };
    expect(shardsOf((await attempt({ ...task, unique })).body)[0]).not.toHaveProperty("duplicateOf");
    const { id } = (await submit({ ...task, unique })).body;
    expect(shardsOf((await attempt({ ...task, unique })).body)[0]).toMatchObject({ accepted: true, duplicateOf: id });
    const reject = await attempt({ ...task, unique: { ...unique, onConflict: "reject" } });
    expect([reject.status, reject.body.accepted]).toEqual([200, false]);
    expect(shardsOf(reject.body)[0]).toMatchObject({
      problem: { code: "duplicate-task", taskId: id, errors: [{ pointer: "/unique" }] },
    });
    const headers = { "idempotency-key": "dry-run" };
    expect(shardsOf((await attempt(task, headers)).body)[0]).not.toHaveProperty("replayed");
    const first = (await submit(task, headers)).body.id;
    expect(shardsOf((await attempt(task, headers)).body)[0]).toMatchObject({ replayed: true, duplicateOf: first });
    const reused = await attempt({ ...task, payload: "other" }, headers);
    expect([reused.body.accepted, (await submit({ ...task, payload: "other" }, headers)).status]).toEqual([false, 422]);
    expect(shardsOf(reused.body)[0]).toMatchObject({ problem: { code: "idempotency-key-reused", status: 422 } });
    const again = await submit({ dryRun: false, ...task }, headers);
    expect([again.body.id, again.headers.get("idempotency-replayed")]).toEqual([first, "true"]);
  });

  it("of tasks each for itself tells what a known key makes of the whole", async () => {
    const each = { atomic: false, tasks: [task, { ...task, priority: 2 }] };
    const headers = { "idempotency-key": "dry-each" };
    expect((await attempt(each, headers)).body).not.toHaveProperty("replayed");
    const { body } = await submit(each, headers);
    const [first, second] = [...(body.results ?? [])].map(({ id }) => id);
    expect((await attempt(each, headers)).body).toMatchObject({
      accepted: 2,
      refused: 0,
      replayed: true,
      results: [{ duplicateOf: first }, { duplicateOf: second }],
    });
    const other = { atomic: false, tasks: [{ ...task, payload: "other" }] };
    expect((await submit(other, headers)).body.code).toBe("idempotency-key-reused");
    expect((await attempt(other, headers)).body).toMatchObject({
      accepted: 0,
      refused: 1,
      problem: { code: "idempotency-key-reused", status: 422 },
    });
  });

  it("of several shards asks each that might take it, and says which would", async () => {
    const open = (await attempt({ ...task, queue: "tried-many" })).body;
    expect(open).toMatchObject({ accepted: true, shard: null });
    expect(shardsOf(open).map(({ shard, accepted }) => [shard, accepted])).toEqual([
      [0, true],
      [1, true],
      [2, true],
    ]);
    const keyed = (await attempt({ ...task, queue: "tried-many", limitKey: "acme" })).body;
    expect(shardsOf(keyed)).toHaveLength(1);
    expect(keyed.shard).toBe(shardsOf(keyed)[0]?.shard);
    const made = (await submit({ ...task, queue: "tried-many", limitKey: "acme" })).body;
    expect(String(made.id).split(".")[1]).toBe(String(keyed.shard));
    const deaf = serviceWith((real) => ({
      later: (ms, run) => real.later(Math.min(ms, 50), run),
      shard: (at) => altered(real.shard(at), { trySubmit: () => silence() }),
    }));
    const silent = await call("POST", "/tasks/submissions", { ...task, dryRun: true }, { fetch: deaf });
    expect(silent).toMatchObject({ status: 503, body: { code: "unavailable" } });
  });

  it("is refused as the submission would be, with 200 and the reason", async () => {
    await call("PUT", "/queues/tried-full", { depthLimit: 1 });
    await call("POST", "/queues/tried-full/pause");
    await submit({ ...task, queue: "tried-full" });
    const full = await attempt({ ...task, queue: "tried-full" });
    expect([full.status, full.body.accepted]).toEqual([200, false]);
    expect(shardsOf(full.body)).toMatchObject([{ accepted: false, problem: { code: "queue-full", retryable: true } }]);
    await call("POST", "/queues/tried-full/drain");
    expect(shardsOf((await attempt({ ...task, queue: "tried-full" })).body)[0]).toMatchObject({
      problem: { code: "draining" },
    });
  });

  it("of a batch has a result a task, all or nothing or each for itself", async () => {
    const together = (await attempt({ tasks: [{ ...task, priority: 9 }, task, { ...task, delaySeconds: 5 }] })).body;
    expect(together).toMatchObject({ accepted: true, tasks: 3, shard: 0, shards: [{ shard: 0, accepted: true }] });
    const held = { earliestStart: null, decidedBy: "paused" };
    expect(together.results).toMatchObject([
      { ahead: 0, ...held, reasons: [{ code: "paused" }] },
      { ahead: expect.any(Number), ...held, reasons: [{ code: "paused" }, { code: "ahead", moreUrgent: 1 }] },
      { ahead: null, ...held, status: "SCHEDULED", reasons: [{ code: "paused" }, { code: "scheduled" }] },
    ]);
    const none = (await attempt({ tasks: Array.from({ length: 2 }, () => ({ ...task, queue: "tried-full" })) })).body;
    expect(none).toMatchObject({ accepted: false, results: [], shards: [{ problem: { code: "batch-too-large" } }] });
    const apart = await attempt({ atomic: false, tasks: [task, { ...task, queue: "tried-full" }, { type: "x" }] });
    expect(apart).toMatchObject({ status: 200, body: { dryRun: true, accepted: 1, refused: 2 } });
    expect(apart.body.results).toMatchObject([
      { queue: "tried", shard: 0, accepted: true, status: "QUEUED" },
      { queue: "tried-full", accepted: false, problem: { code: "draining" } },
      { accepted: false, problem: { code: "invalid-request" } },
    ]);
    expect(await summary("tried-full")).toMatchObject({ depth: 1 });
  });

  it("of a batch names the task of the batch that has a key, which has no id yet, by its index", async () => {
    const unique = { by: "key", key: "brother", within: "running" };
    const one = { ...task, unique };
    const reject = { ...task, unique: { ...unique, onConflict: "reject" } };
    const { results } = (await attempt({ tasks: [task, one, one] })).body;
    expect(results).toMatchObject([{}, { ahead: expect.any(Number) }, { accepted: true, duplicateOfIndex: 1 }]);
    expect(Object(results)[2]).not.toHaveProperty("duplicateOf");
    const apart = (await attempt({ atomic: false, tasks: [{ ...task, queue: "tried-full" }, one, reject] })).body;
    expect(Object(apart.results)[2]).toMatchObject({
      accepted: false,
      duplicateOfIndex: 1,
      problem: { code: "duplicate-task", detail: "Another task of the batch has that key." },
    });
    expect(Object(apart.results)[2].problem).not.toHaveProperty("taskId");
  });

  it("of a batch beyond a bound tells places alone, and says so", async () => {
    const { results } = (await attempt({ tasks: Array.from({ length: 3_000 }, () => task) })).body;
    const told: Json[] = Array.from(Object(results));
    expect(told[0]).toMatchObject({ decidedBy: "paused" });
    expect(told.slice(0, 1_000).some((one) => "explained" in Object(one))).toBe(false);
    expect(told.at(-1)).toMatchObject({ accepted: true, status: "QUEUED", explained: false });
    expect(Object(told.at(-1)).ahead).toBe(Object(told[0]).ahead + 2_999);
  });
});
