/** The life of a task as its user sees it: accepted, running, tried again, ended; what is answered at each point. */
import { describe, expect, it } from "vitest";
import type { Task } from "../../core/task.ts";
import { Effects } from "../support/node/effects.ts";
import { hostService } from "../support/node/host-service.ts";
import { waitFor } from "../support/node/wait-for.ts";

const { service, client } = await hostService({ LOG_LEVEL: "info" });

describe("a submission", () => {
  it("A1 a finance task: compound interest over amount, rate, years, with a priority", async () => {
    const id = await client.submit({
      type: "compound-interest",
      payload: { amount: 1000, rate: 0.05, years: 10 },
      priority: "high",
    });
    expect(await client.ended(id)).toMatchObject({ status: "SUCCEEDED", priority: 7 });
    // 1000 * 1.05^10 = 1628.8946…
    expect((await client.result(id)).result).toEqual({ total: "1628.89", interest: "628.89" });
  });

  it("B1 D4 101 159 160 is answered 202, and its status is that of this moment until the result is there", async () => {
    await using effects = await Effects.start();
    effects.hold(1);
    await client.putQueue("life");
    await client.pause("life");
    const task = { type: "effect", payload: { url: effects.url }, queue: "life" };
    const accepted = await client.call<Task>("POST", "/tasks/submissions", task);
    const { id } = accepted.body;
    expect(accepted).toMatchObject({ status: 202, body: { queue: "life", status: "QUEUED" } });
    expect(accepted.headers.get("location")).toBe(`/tasks/submissions/${id}`);
    expect(await client.status(id)).toBe("QUEUED");
    const early = await client.call("GET", `/tasks/${id}`);
    expect(early).toMatchObject({ status: 409, body: { code: "task-unfinished", retryable: true } });

    await client.resume("life");
    await waitFor(() => effects.holding === 1, { what: "the task runs" });
    expect(await client.task(id)).toMatchObject({ status: "RUNNING", attempts: [{ attempt: 1, outcome: null }] });
    const ending = client.ended(id);
    effects.release();
    const ended = await ending;
    expect(ended).toMatchObject({ status: "SUCCEEDED", attempts: [{ attempt: 1, outcome: "succeeded" }] });
    expect(await client.result(id)).toEqual({
      id,
      status: "SUCCEEDED",
      result: `done default:${id}`,
      resultType: "string",
      attempts: 1,
    });
  });

  it("B1 160 163 a failed task is answered 200 too, with its error and without its stack", async () => {
    const id = await client.submit({
      type: "fail",
      payload: { times: 9, retryable: false, message: "no such account" },
    });
    await client.ended(id);
    const reply = await client.call<object>("GET", `/tasks/${id}`);
    expect(reply).toMatchObject({
      status: 200,
      body: {
        status: "FAILED",
        resultType: "error",
        attempts: 1,
        error: { code: "handler-error", class: "NonRetryableError" },
      },
    });
    expect(JSON.stringify(reply.body)).not.toMatch(/stack|\.ts:|at async/);
  });

  it("D3 140 tells how far it is while it runs", async () => {
    await using effects = await Effects.start();
    effects.hold(1);
    const progress = { percent: 30, message: "3 of 10" };
    const id = await client.submit({ type: "report", payload: { url: effects.url, ...progress, times: 10_000 } });
    const told = async () => {
      const task = await client.task(id);
      return task.status === "RUNNING" && task.progress;
    };
    expect(await waitFor(told, { what: "progress is told" })).toEqual(progress);
    effects.release();
    expect(await client.ended(id)).not.toHaveProperty("progress");
  });
});

describe("a task that does not succeed at once", () => {
  it("D2 E2 141 142 145 is tried again after 1, 2 and 4 s, then is a dead letter, and the queue dead-letters has its id", async () => {
    await client.putQueue("retries");
    const id = await client.submit({ type: "fail", payload: { times: 9 }, queue: "retries" });
    const planned = new Map<number, number>();
    const last = await waitFor(
      async () => {
        const task = await client.task(id);
        const { attempts } = task;
        if (task.status === "RETRYING")
          planned.set(attempts.length, Date.parse(task.runAt) - msOf(attempts.at(-1)?.endedAt));
        return task.status === "FAILED" && task;
      },
      { what: "four attempts have failed", timeoutMs: 30_000 },
    );
    // From the moment that the shard heard of the failure, which is a call later than the worker's own.
    expect([...planned.keys()]).toEqual([1, 2, 3]);
    for (const [attempt, ms] of planned) {
      expect(ms).toBeGreaterThanOrEqual(1_000 * 2 ** (attempt - 1));
      expect(ms).toBeLessThan(1_000 * 2 ** (attempt - 1) + 500);
    }
    expect(last.attempts.map(({ attempt, outcome }) => [attempt, outcome])).toEqual(
      [1, 2, 3, 4].map((n) => [n, "failed"]),
    );
    for (const [i, delay] of [1_000, 2_000, 4_000].entries())
      expect(msOf(last.attempts[i + 1]?.startedAt) - msOf(last.attempts[i]?.endedAt)).toBeGreaterThanOrEqual(delay);
    expect(last.error).toMatchObject({ code: "handler-error", message: "failed as asked" });
    expect(await client.counts("retries")).toMatchObject({ depth: 0, deadLetters: 1 });
    await waitFor(() => service.logs.out.some((line) => line.includes('"dead-letters"') && line.includes(id)), {
      what: "the dead letter's id has come by its queue",
    });
  });

  it("144 succeeds when it is asked to wait, and no attempt is spent by that", async () => {
    const id = await client.submit({ type: "snooze", payload: { times: 2, seconds: 0.1 }, retry: { maxAttempts: 1 } });
    const { status, attempts } = await client.ended(id);
    expect([status, attempts.map(({ outcome }) => outcome)]).toEqual([
      "SUCCEEDED",
      ["snoozed", "snoozed", "succeeded"],
    ]);
  });

  it("143 is not tried again where that cannot help", async () => {
    const id = await client.submit({ type: "fail", payload: { times: 9, retryable: false } });
    expect(await client.ended(id)).toMatchObject({ status: "FAILED", attempts: [{ attempt: 1, outcome: "failed" }] });
  });

  it("138 ends as timeout though its handler never settles, while the session's other slots go on", async () => {
    await using effects = await Effects.start();
    await client.putQueue("hangs", { maxSessions: 1, slots: 3 });
    const hung = await client.submit({
      type: "hang",
      payload: {},
      queue: "hangs",
      timeoutMs: 1_500,
      retry: { maxAttempts: 1 },
    });
    await client.reaches(hung, "RUNNING");
    const others = Array.from({ length: 30 }, () => ({
      type: "effect",
      payload: { url: effects.url },
      queue: "hangs",
    }));
    const { batch } = await client.submitAll(others);
    await client.batchEnded(batch);
    expect(await client.status(hung)).toBe("RUNNING");
    const ended = await client.ended(hung);
    expect(ended).toMatchObject({ status: "FAILED", error: { code: "timeout" }, attempts: [{ outcome: "failed" }] });
    const { startedAt, endedAt } = ended.attempts[0] ?? {};
    expect(msOf(endedAt) - msOf(startedAt)).toBeGreaterThanOrEqual(1_500);
    expect([effects.done.size, effects.posts]).toEqual([30, 30]);
  });
});

describe("the surroundings", () => {
  it("A9 186 X-Request-Id is given back as it came, or made, and everything is JSON of a stated type", async () => {
    const told = await client.call("GET", "/tasks/nothing", undefined, { "x-request-id": "my-id-42" });
    expect(told).toMatchObject({ status: 404, body: { requestId: "my-id-42" } });
    expect(told.headers.get("x-request-id")).toBe("my-id-42");
    expect(told.headers.get("content-type")).toBe("application/problem+json");
    const made = await client.call("GET", "/queues");
    expect(made.headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
    expect(made.headers.get("content-type")).toBe("application/json");
    const plain = await fetch(`${client.url}/tasks/submissions`, {
      method: "POST",
      body: "{}",
      headers: { "content-type": "text/plain" },
    });
    expect(plain.status).toBe(415);
  });

  it("A10 192 a request's log line is found by its id, one JSON text with the task's id", async () => {
    const headers = { "x-request-id": "find-me-in-the-log" };
    const task = { type: "echo", payload: 1 };
    const { body } = await client.call<Task>("POST", "/tasks/submissions", task, headers);
    const line = await waitFor(() => service.logs.out.find((text) => text.includes("find-me-in-the-log")), {
      what: "the line",
    });
    expect(JSON.parse(line)).toMatchObject({
      level: "info",
      event: "request",
      requestId: "find-me-in-the-log",
      method: "POST",
      path: "/tasks/submissions",
      status: 202,
      tasks: [body.id],
    });
  });
});

function msOf(time: string | null | undefined): number {
  return Date.parse(time ?? "");
}
