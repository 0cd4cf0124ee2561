/** The stream of a task's events at the door: what it answers to, and what it does where nobody answers it. */
import { describe, expect, it, vi } from "vitest";
import { call } from "../support/workerd/call.ts";
import { altered, serviceWith } from "../support/workerd/service.ts";

const submitted = async (task: object) => String((await call("POST", "/tasks/submissions", task)).body.id);
const events = (id: string, lastId?: string, fetch = serviceWith()) =>
  fetch(
    new Request(`http://sluice.test/tasks/submissions/${id}/events`, {
      headers: lastId === undefined ? {} : { "last-event-id": lastId },
    }),
  );

describe("288 the events of a task", () => {
  it("are told as what they are: from the first, from one on, and none after the end", async () => {
    const id = await submitted({ type: "echo", payload: 1 });
    await call("GET", `/tasks/submissions/${id}?wait=20`);
    const whole = await events(id);
    expect([whole.status, whole.headers.get("content-type")]).toEqual([200, "text/event-stream"]);
    expect(whole.headers.get("x-request-id")).not.toBeNull();
    const text = await whole.text();
    expect(text).toMatch(
      /^retry: \d+\n\n(id: .+\nevent: move\ndata: \{.+\}\n\n){3}id: end\nevent: end\ndata: \{.+\}\n\n$/,
    );
    const ids = text.split("\n").flatMap((line) => (line.startsWith("id: ") ? [line.slice(4)] : []));
    const rest = await (await events(id, ids[1])).text();
    expect(rest.match(/^id: .+$/gm)).toEqual(ids.slice(2).map((one) => `id: ${one}`));
    expect((await events(id, "end")).status).toBe(204);
  });

  it("of a task that is none are 404, past its retention 410; a Last-Event-ID that is none and a query are 422", async () => {
    expect(await call("GET", "/tasks/submissions/nowhere.0.03lfc9kckcq/events")).toMatchObject({
      status: 404,
      body: { code: "task-unknown" },
    });
    expect(await call("GET", "/tasks/submissions/default.0.00000000000/events")).toMatchObject({
      status: 410,
      body: { code: "task-expired-from-history" },
    });
    const id = await submitted({ type: "echo", payload: 1 });
    const path = `/tasks/submissions/${id}/events`;
    expect(await call("GET", path, undefined, { headers: { "last-event-id": "yesterday" } })).toMatchObject({
      status: 422,
      body: { code: "invalid-request", errors: [{ pointer: "Last-Event-ID:" }] },
    });
    expect(await call("GET", `${path}?from=1`)).toMatchObject({
      status: 422,
      body: { errors: [{ pointer: "?from" }] },
    });
    expect((await call("POST", path)).status).toBe(405);
    const head = await call("HEAD", path);
    expect([head.status, head.body]).toEqual([200, null]);
  });

  it("end, without an end of the task, where its shard does not answer; the client is to come again", async () => {
    const id = await submitted({ type: "echo", payload: 1, delaySeconds: 60 });
    const silent = serviceWith((real) => ({
      shard: (address) =>
        altered(real.shard(address), { watch: () => Promise.reject(new Error("Network connection lost.")) }),
    }));
    const text = await (await events(id, undefined, silent)).text();
    expect(text).toMatch(/^retry: 2000\n\nid: .+\nevent: move\ndata: .+\n\n$/);
  });

  it("say that the task is gone where its queue is deleted meanwhile, and close", async () => {
    await call("PUT", "/queues/watched-gone", {});
    const id = await submitted({ type: "echo", payload: 1, delaySeconds: 6_000, queue: "watched-gone" });
    const stream = await events(id);
    const text = stream.text();
    expect((await call("DELETE", "/queues/watched-gone?force=true")).status).toBe(204);
    expect(await text).toMatch(/event: gone\ndata: \{"code":"task-unknown","detail":".+"\}\n\n$/);
    expect((await events(id)).status).toBe(404);
  });

  it("are a comment each 10 s while nothing happens, and end after five minutes", async () => {
    const id = await submitted({ type: "echo", payload: 1, delaySeconds: 6_000 });
    const waits: number[] = [];
    let passed = 0;
    const quiet = serviceWith((real) => ({
      now: () => real.now() + passed,
      shard: (address) =>
        altered(real.shard(address), {
          async watch({ waitMs }) {
            waits.push(waitMs);
            passed += 60_000;
            return { v: 1, ok: true, changed: [], stopping: false };
          },
        }),
    }));
    const text = await (await events(id, undefined, quiet)).text();
    expect(text.replace(/^retry.+\n\nid.+\nevent.+\ndata.+\n\n/, "")).toBe(": \n\n".repeat(5));
    expect(waits).toEqual(Array(5).fill(10_000));
  });

  it("go on from D1 where the task has left its shard meanwhile", async () => {
    const id = await submitted({ type: "echo", payload: 1, delaySeconds: 6_000 });
    const away = serviceWith((real) => ({
      shard: (address) =>
        altered(real.shard(address), {
          async watch({ seen }) {
            await call("POST", `/tasks/submissions/${id}/run-now`);
            await call("GET", `/tasks/submissions/${id}?wait=20`);
            const isFlushed = async () => (await call("GET", "/queues/default")).body.counts?.outboxRows === 0;
            await vi.waitUntil(isFlushed, { timeout: 10_000, interval: 20 });
            return { v: 1, ok: true, changed: seen.map(([seq]) => ({ seq, task: null })), stopping: false };
          },
        }),
    }));
    const text = await (await events(id, undefined, away)).text();
    expect(text.match(/"status":"[A-Z]+"/g)?.map((found) => found.slice(10, -1))).toEqual([
      "SCHEDULED",
      "QUEUED",
      "RUNNING",
      "SUCCEEDED",
      "SUCCEEDED",
    ]);
    expect(text).toContain("event: end");
  });
});
