/** What runs next, what is taken in, and how many run at once: each seen from outside, by a server that tasks call. */
import { describe, expect, it } from "vitest";
import type { NewTask } from "../support/node/client.ts";
import { Effects, keyOf } from "../support/node/effects.ts";
import { hostService } from "../support/node/host-service.ts";
import { waitFor } from "../support/node/wait-for.ts";

const { client } = await hostService();

const ONE_AT_A_TIME = { maxSessions: 1, slots: 1 };
const times = <T>(count: number, make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));

describe("order", () => {
  it("D1 117 a critical task behind 1,000 low ones starts next", async () => {
    await using effects = await Effects.start();
    const task: NewTask = { type: "effect", payload: { url: effects.url }, queue: "urgent" };
    await client.putQueue("urgent", ONE_AT_A_TIME);
    effects.hold(1);
    const first = await client.submit(task);
    await waitFor(() => effects.holding === 1, { what: "a task holds the only slot" });
    await client.submitAll(times(1_000, () => ({ type: "echo", payload: 0, queue: "urgent", priority: "low" })));
    const critical = await client.submit({ ...task, priority: "critical" });
    effects.release();
    effects.hold(1);
    await waitFor(() => effects.holding === 1, { what: "the next one has started" });
    expect([...effects.seen.keys()]).toEqual([keyOf(first), keyOf(critical)]);
    expect(await client.counts("urgent")).toMatchObject({ queued: 1_000, running: 1 });
    effects.release();
    await client.settled("urgent");
  });

  it("D1 118 first in, first out within a priority, whatever the types; priorities in their order", async () => {
    await using effects = await Effects.start();
    await client.putQueue("fifo", ONE_AT_A_TIME);
    await client.pause("fifo");
    const tasks = times(60, (i): NewTask & { priority: number } => ({
      type: i % 3 === 0 ? "report" : "effect",
      payload: i % 3 === 0 ? { url: effects.url, percent: i } : { url: effects.url },
      queue: "fifo",
      priority: [0, 5, 9][Math.floor(i / 2) % 3] ?? 0,
    }));
    const ids: string[] = [];
    for (const task of tasks) ids.push(await client.submit(task));
    await client.resume("fifo");
    await client.settled("fifo");
    const expected = [9, 5, 0].flatMap((priority) => ids.filter((_, i) => tasks[i]?.priority === priority));
    expect([...effects.seen.keys()]).toEqual(expected.map(keyOf));
  });

  it("122 quick tasks behind long ones of the same and of another queue end before any long one does", async () => {
    await using effects = await Effects.start();
    for (const queue of ["long", "quick"]) await client.putQueue(queue);
    effects.hold(60);
    await client.submitAll(times(60, () => ({ type: "effect", payload: { url: effects.url }, queue: "long" })));
    const quick = await Promise.all(
      times(40, (i) => client.submit({ type: "echo", payload: i, queue: i % 2 ? "long" : "quick" })),
    );
    for (const id of quick) await client.ended(id);
    expect(effects.done.size).toBe(0);
    await waitFor(() => effects.holding === 60, { what: "all long ones run" });
    effects.release();
    await client.settled("long");
    expect(effects.done.size).toBe(60);
  });
});

describe("how many", () => {
  it("D1 156 the depth limit is exact under 200 concurrent submissions, and so is the size that is told", async () => {
    await client.putQueue("small", { depthLimit: 50 });
    await client.pause("small");
    const send = (i: number) =>
      client.call<{ id: string; code: string }>("POST", "/tasks/submissions", {
        type: "echo",
        payload: i,
        queue: "small",
      });
    const replies = await Promise.all(times(200, send));
    const accepted = replies.filter(({ status }) => status === 202);
    const refused = replies.filter(({ status }) => status === 503);
    expect([accepted.length, refused.length]).toEqual([50, 150]);
    for (const { body, headers } of refused) {
      expect(body.code).toBe("queue-full");
      expect(Number(headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    }
    expect(await client.counts("small")).toMatchObject({ depth: 50, queued: 50 });
    await client.resume("small");
    await client.settled("small");
    expect(new Set(await Promise.all(accepted.map(({ body }) => client.status(body.id))))).toEqual(
      new Set(["SUCCEEDED"]),
    );
    expect((await send(0)).status).toBe(202);
  });

  it("109 110 a batch is all or nothing: one wrong task or too little room, and none of it is there", async () => {
    await client.putQueue("batches", { depthLimit: 30 });
    await client.pause("batches");
    const tasks = times(20, (i): NewTask => ({ type: "factorial", payload: { n: i }, queue: "batches" }));
    const wrong = tasks.with(7, { type: "factorial", payload: { n: -1 }, queue: "batches" });
    const refused = await client.call("POST", "/tasks/submissions", { tasks: wrong });
    expect(refused).toMatchObject({
      status: 422,
      body: { code: "payload-invalid", errors: [{ pointer: "/tasks/7/payload/n" }] },
    });
    expect(await client.counts("batches")).toMatchObject({ depth: 0 });

    const { batch } = await client.submitAll(tasks);
    const full = await client.call("POST", "/tasks/submissions", { tasks });
    expect(full).toMatchObject({ status: 503, body: { code: "queue-full" } });
    expect(await client.counts("batches")).toMatchObject({ depth: 20 });

    type Each = { accepted: number; refused: number; results: { id?: string; problem?: { code: string } }[] };
    const each = await client.expect<Each>(202, "POST", "/tasks/submissions", { tasks: wrong, atomic: false });
    expect(each).toMatchObject({ accepted: 10, refused: 10 });
    expect(each.results[7]).toMatchObject({ problem: { code: "payload-invalid" } });
    expect(each.results.map(({ problem }) => problem?.code)).toEqual(
      times(20, (i) => (i === 7 ? "payload-invalid" : i > 10 ? "queue-full" : undefined)),
    );
    await client.resume("batches");
    expect((await client.batchEnded(batch)).counts).toMatchObject({ SUCCEEDED: 20 });
  });

  it.each([
    ["1 x 12", { maxSessions: 1, slots: 12 }],
    ["3 x 4", { maxSessions: 3, slots: 4 }],
  ])("C3 125 a pool of %s slots does the work, twelve at a time", async (name, settings) => {
    await using effects = await Effects.start();
    const queue = `pool-${name.replaceAll(" ", "")}`;
    await client.putQueue(queue, settings);
    effects.hold(12);
    await client.submitAll(times(120, () => ({ type: "effect", payload: { url: effects.url }, queue })));
    await waitFor(() => effects.holding === 12, { what: "all slots are taken" });
    expect(await client.counts(queue)).toMatchObject({ running: 12, queued: 108, sessions: settings.maxSessions });
    effects.release();
    await client.settled(queue);
    expect([effects.done.size, effects.posts, effects.most]).toEqual([120, 120, 12]);
  });

  it("D3 182 the pool is configurable while it works", async () => {
    await using effects = await Effects.start();
    await client.putQueue("grows", { maxSessions: 1, slots: 2 });
    effects.hold(8);
    await client.submitAll(times(20, () => ({ type: "effect", payload: { url: effects.url }, queue: "grows" })));
    await waitFor(() => effects.holding === 2, { what: "two run" });
    expect((await client.counts("grows")).running).toBe(2);
    await client.patchQueue("grows", { maxSessions: 4 });
    await waitFor(() => effects.holding === 8, { what: "eight run" });
    effects.release();
    await client.settled("grows");
    expect([effects.done.size, effects.most]).toEqual([20, 8]);
  });
});
