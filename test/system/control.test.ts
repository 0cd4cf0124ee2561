/** What a client does to a task that it has submitted, over HTTP. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Task } from "../../core/task.ts";
import { Client } from "../support/node/client.ts";
import { Effects } from "../support/node/effects.ts";
import type { Service } from "../support/node/service.ts";
import { startFaulty } from "../support/node/steer.ts";
import { waitFor } from "../support/node/wait-for.ts";

let service: Service;
let client: Client;
beforeAll(async () => {
  service = await startFaulty();
  client = new Client(service.url);
});
afterAll(async () => await service?.[Symbol.asyncDispose]());

const cancel = (id: string) => client.call<Task>("POST", `/tasks/submissions/${id}/cancel`);

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
