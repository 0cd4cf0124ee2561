/** What a client does to a task that it has submitted, over HTTP. */
import { describe, expect, it } from "vitest";
import type { Task } from "../../core/task.ts";
import { Effects } from "../support/node/effects.ts";
import { hostService } from "../support/node/host-service.ts";
import { waitFor } from "../support/node/wait-for.ts";

const { client } = await hostService();

interface Timeline {
  readonly moves: readonly { readonly status: string; readonly at: string; readonly cause: string }[];
}

const cancel = (id: string) => client.call<Task>("POST", `/tasks/submissions/${id}/cancel`);

describe("a task that has not begun in its time", () => {
  it("219 is EXPIRED while it waits, and none begins after it; one that is given no time is refused", async () => {
    await using effects = await Effects.start();
    await client.putQueue("late");
    await client.pause("late");
    const task = { type: "effect", payload: { url: effects.url }, queue: "late" };
    const brief = await client.submit({ ...task, ttlSeconds: 0.5 });
    const long = await client.submit({ ...task, expiresAt: "2100-01-01T00:00:00+01:00" });
    expect(await client.task(long)).toMatchObject({ status: "QUEUED", expiresAt: "2099-12-31T23:00:00.000Z" });
    expect(await client.ended(brief)).toMatchObject({ status: "EXPIRED" });
    expect(await client.result(brief)).toMatchObject({ status: "EXPIRED", error: { code: "expired" } });
    await client.resume("late");
    expect(await client.ended(long)).toMatchObject({ status: "SUCCEEDED" });
    expect(effects.seen.size).toBe(1);
    for (const [more, pointer] of [
      [{ ttlSeconds: 5, delaySeconds: 5 }, "/ttlSeconds"],
      [{ expiresAt: "2020-01-01T00:00:00Z" }, "/expiresAt"],
      [{ ttlSeconds: 5, expiresAt: "2100-01-01T00:00:00Z" }, "/ttlSeconds"],
    ] as const)
      expect(await client.call("POST", "/tasks/submissions", { ...task, ...more })).toMatchObject({
        status: 422,
        body: { code: "invalid-request", errors: [{ pointer }] },
      });
  });
});

describe("a task that has begun in its time", () => {
  it("220 225 may end; where it would wait again after it, it is EXPIRED, its payload with its shard alone", async () => {
    const ends = await client.submit({ type: "sleep", payload: { ms: 1_500 }, ttlSeconds: 1, keepPayload: false });
    const waits = await client.submit({
      type: "fail",
      payload: { times: 9 },
      ttlSeconds: 1,
      retry: { baseMs: 5_000 },
      keepPayload: false,
    });
    await client.reaches(waits, "RETRYING");
    expect(await client.ended(waits)).toMatchObject({ status: "EXPIRED", attempts: [{ attempt: 1 }] });
    expect(await client.ended(ends)).toMatchObject({ status: "SUCCEEDED" });
    await waitFor(async () => (await client.counts("default")).outboxRows === 0, { what: "history has both" });
    for (const id of [ends, waits])
      expect(await client.call("POST", `/tasks/submissions/${id}/replay`)).toMatchObject({
        status: 422,
        body: { errors: [{ pointer: "/payload", detail: expect.stringContaining("not kept") }] },
      });
  });
});

describe("a task is cancelled", () => {
  it("216 218 while it waits: at once, never to run, and again it answers the same", async () => {
    await using effects = await Effects.start();
    await client.putQueue("waits");
    await client.pause("waits");
    const task = { type: "effect", payload: { url: effects.url }, queue: "waits" };
    const { ids } = await client.submitAll([task, task, task]);
    const [, victim = ""] = ids;
    const later = await client.submit({ ...task, delaySeconds: 3_600 });
    for (const id of [victim, later]) {
      const reply = await cancel(id);
      expect(reply).toMatchObject({ status: 200, body: { id, status: "CANCELLED" } });
      expect(await cancel(id)).toMatchObject({ status: 200, body: reply.body });
      expect(await client.result(id)).toMatchObject({ status: "CANCELLED", error: { code: "cancelled" } });
    }
    await client.resume("waits");
    await client.settled("waits");
    expect(effects.seen.size).toBe(2);
    // From D1 it is told as from its shard.
    expect(await cancel(victim)).toMatchObject({ status: 200, body: { status: "CANCELLED" } });
    expect((await client.tasks(ids)).map(({ status }) => status)).toEqual(["SUCCEEDED", "CANCELLED", "SUCCEEDED"]);
  });

  it("217 while it runs: its signal fires within 5 s, and it is not tried again", async () => {
    const id = await client.submit({ type: "sleep", payload: { ms: 60_000 } });
    await client.reaches(id, "RUNNING");
    const askedAt = Date.now();
    expect(await cancel(id)).toMatchObject({ status: 202, body: { status: "RUNNING", cancelRequested: true } });
    const ended = await client.ended(id);
    expect(Date.now() - askedAt).toBeLessThan(5_000);
    expect(ended).toMatchObject({ status: "CANCELLED", attempts: [{ attempt: 1, outcome: "cancelled" }] });
    expect(await cancel(id)).toMatchObject({ status: 200 });
  });

  it("217 while a handler runs that does not listen: 10 s later, and its slot is another's", async () => {
    await client.putQueue("deaf", { maxSessions: 1, slots: 1 });
    const id = await client.submit({ type: "hang", payload: {}, queue: "deaf" });
    await client.reaches(id, "RUNNING");
    const askedAt = Date.now();
    expect((await cancel(id)).status).toBe(202);
    const next = await client.submit({ type: "echo", payload: 1, queue: "deaf" });
    expect(await client.ended(id)).toMatchObject({ status: "CANCELLED" });
    expect(Date.now() - askedAt).toBeGreaterThan(9_000);
    expect(await client.ended(next)).toMatchObject({ status: "SUCCEEDED" });
  });

  it("218 after it has ended: 409 task-finished, and of none 404", async () => {
    const id = await client.submit({ type: "echo", payload: 1 });
    await client.ended(id);
    expect(await client.call("POST", `/tasks/submissions/${id}/cancel`)).toMatchObject({
      status: 409,
      body: { code: "task-finished", retryable: false },
    });
    await waitFor(async () => (await client.counts("default")).outboxRows === 0, { what: "history has it" });
    expect((await cancel(id)).status).toBe(409);
    const unknown = id.replace(/.$/, (last) => (last === "0" ? "1" : "0"));
    expect(await client.call("POST", `/tasks/submissions/${unknown}/cancel`)).toMatchObject({
      status: 404,
      body: { code: "task-unknown" },
    });
    expect(await client.call("POST", `/tasks/submissions/${id}/cancel`, { hard: true })).toMatchObject({
      status: 422,
      body: { errors: [{ pointer: "/hard" }] },
    });
  });
});

describe("a task is changed", () => {
  it("221 222 while it waits, where If-Match has its revision; it runs as it was changed", async () => {
    await client.putQueue("changes", { maxSessions: 1, slots: 1 });
    await client.pause("changes");
    const task = { type: "echo", payload: { n: 1 }, queue: "changes" };
    const first = await client.submit(task);
    const second = await client.submit(task);
    const path = `/tasks/submissions/${second}`;
    const read = await client.call<Task>("GET", path);
    const etag = read.headers.get("etag") ?? "";
    expect([read.body.rev, etag]).toEqual([1, '"1"']);
    const patch = { priority: "critical", payload: { n: 2 } };
    const reply = await client.call<Task>("PATCH", path, patch, { "if-match": etag });
    expect(reply).toMatchObject({ status: 200, body: { priority: 9, rev: 2, status: "QUEUED" } });
    expect(reply.headers.get("etag")).toBe('"2"');
    expect(await client.call("PATCH", path, { priority: 1 }, { "if-match": etag })).toMatchObject({
      status: 412,
      body: { code: "rev-mismatch", retryable: false },
    });
    await client.resume("changes");
    const [before, after] = [await client.ended(second), await client.ended(first)];
    expect((await client.result(second)).result).toEqual({ n: 2 });
    expect(before.attempts[0]?.startedAt ?? "").not.toBe("");
    expect(Date.parse(before.attempts[0]?.startedAt ?? "")).toBeLessThanOrEqual(
      Date.parse(after.attempts[0]?.startedAt ?? ""),
    );
  });

  it("221 with what it cannot be: 422, and every fault has its pointer", async () => {
    const id = await client.submit({
      type: "compound-interest",
      payload: { amount: 1, rate: 0, years: 1 },
      delaySeconds: 600,
    });
    for (const [patch, pointer] of [
      [{ payload: { amount: "much" } }, "/payload/amount"],
      [{ priority: 10 }, "/priority"],
      [{ runAt: "2100-01-01T00:00:00Z" }, "/runAt"],
      [{ tags: ["a"] }, "/tags"],
      [{}, ""],
    ] as const) {
      const reply = await client.call("PATCH", `/tasks/submissions/${id}`, patch);
      expect([reply.status, reply.body.errors?.[0]?.pointer]).toEqual([422, pointer]);
    }
    const odd = await client.call("PATCH", `/tasks/submissions/${id}`, { priority: 1 }, { "if-match": "one" });
    expect(odd).toMatchObject({ status: 422, body: { errors: [{ pointer: "If-Match:" }] } });
    expect(await client.task(id)).toMatchObject({ rev: 1, status: "SCHEDULED" });
  });

  it("223 224 run-now: one that is put off runs at once; what runs or has ended is 409", async () => {
    const id = await client.submit({ type: "sleep", payload: { ms: 1_500 }, delaySeconds: 3_600 });
    const runNow = () => client.call("POST", `/tasks/submissions/${id}/run-now`);
    expect(await runNow()).toMatchObject({ status: 200, body: { status: "QUEUED" } });
    await client.reaches(id, "RUNNING");
    expect(await runNow()).toMatchObject({ status: 409, body: { code: "task-running" } });
    expect(await client.ended(id)).toMatchObject({ status: "SUCCEEDED" });
    expect(await runNow()).toMatchObject({ status: 409, body: { code: "task-finished" } });
    const { moves } = await client.expect<Timeline>(200, "GET", `/tasks/submissions/${id}/timeline`);
    expect(moves.map(({ status, cause }) => [status, cause.replace(/consumer-\w+/, "W")])).toEqual([
      ["SCHEDULED", "submitted"],
      ["QUEUED", "asked to run now"],
      ["RUNNING", "attempt 1, by W"],
      ["SUCCEEDED", "its handler succeeded"],
    ]);
  });
});
