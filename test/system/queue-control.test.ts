/** Queues that are drained, deleted and scaled while they work. */
import { expect, it } from "vitest";
import type { NewTask } from "../support/node/client.ts";
import { Effects } from "../support/node/effects.ts";
import { hostService } from "../support/node/host-service.ts";
import { waitFor } from "../support/node/wait-for.ts";

const { client } = await hostService();

const times = <T>(count: number, make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));
const shardsOf = async (queue: string) =>
  (await client.expect<{ settings: { shards: number } }>(200, "GET", `/queues/${queue}`)).settings.shards;

it("256 257 a queue is drained while its tasks run, ends them all, and is deleted then", async () => {
  await using effects = await Effects.start();
  await client.putQueue("closing", { slots: 2, maxSessions: 1 });
  effects.hold(2);
  const task: NewTask = { type: "effect", payload: { url: effects.url }, queue: "closing" };
  const ids = await client.submitAll(times(12, () => task));
  await waitFor(() => effects.holding === 2, { what: "two tasks run" });
  await client.expect(200, "POST", "/queues/closing/drain");
  expect(await client.call("POST", "/tasks/submissions", task)).toMatchObject({
    status: 503,
    body: { code: "draining" },
  });
  expect(await client.call("DELETE", "/queues/closing")).toMatchObject({
    status: 409,
    body: { code: "queue-not-empty" },
  });
  effects.release();
  await client.settled("closing");
  for (const { status } of await client.tasks(ids.ids)) expect(status).toBe("SUCCEEDED");
  await client.expect(204, "DELETE", "/queues/closing");
  expect((await client.call("GET", "/queues/closing")).body.code).toBe("queue-unknown");
});

it("258 what has ended in a queue goes with it, drained or by force, and does not come back with its name", async () => {
  for (const how of ["", "?force=true"]) {
    await client.putQueue("secret", {});
    const id = await client.submit({ type: "echo", payload: "card 4111", queue: "secret" });
    await client.settled("secret");
    if (how === "") await client.expect(200, "POST", "/queues/secret/drain");
    await client.expect(204, "DELETE", `/queues/secret${how}`);
    await client.putQueue("secret", {});
    for (const path of [`/tasks/${id}`, `/tasks/submissions/${id}?payload=true`])
      expect(await client.call("GET", path)).toMatchObject({ status: 404, body: { code: "task-unknown" } });
    expect((await client.call("POST", `/tasks/submissions/${id}/replay`)).status).toBe(404);
  }
});

it("260 a purge of 20,000 waiting tasks counts each, leaves what runs alone, and history has them all", async () => {
  await using effects = await Effects.start();
  await client.putQueue("purged", { slots: 1, maxSessions: 1, depthLimit: 50_000 });
  effects.hold(1);
  const running = await client.submit({ type: "effect", payload: { url: effects.url }, queue: "purged", priority: 9 });
  await waitFor(() => effects.holding === 1, { what: "a task runs" });
  const batches = await Promise.all(
    times(20, () => client.submitAll(times(1_000, (i) => ({ type: "echo", payload: i, queue: "purged" })))),
  );
  let purged = 0;
  await waitFor(
    async () => {
      const answer = await client.expect<{ purged: number; more: boolean }>(200, "POST", "/queues/purged/purge");
      purged += answer.purged;
      return !answer.more;
    },
    { what: "nothing is left to purge", timeoutMs: 60_000 },
  );
  expect(purged).toBe(20_000);
  effects.release();
  expect((await client.ended(running)).status).toBe("SUCCEEDED");
  await client.settled("purged");
  for (const { batch } of batches) expect((await client.batchEnded(batch)).counts).toMatchObject({ CANCELLED: 1_000 });
});

it("B5 182 259 shards are raised by what waits and lowered by hand while tasks come and run, and none is lost", async () => {
  await using effects = await Effects.start();
  const autoscale = { minShards: 1, maxShards: 4, targetDepth: 20, targetWaitMs: 3_600_000 };
  await client.putQueue("scaled", { slots: 1, maxSessions: 1, autoscale });
  const task: NewTask = { type: "effect", payload: { url: effects.url }, queue: "scaled" };
  effects.hold(1);
  const first = await client.submitAll(times(60, () => task));
  await waitFor(async () => (await shardsOf("scaled")) > 1, { what: "a shard more", timeoutMs: 60_000, everyMs: 200 });
  const { events } = await client.expect<{ events: { kind: string; detail: string }[] }>(
    200,
    "GET",
    "/operator-events",
  );
  expect(events.find(({ kind }) => kind === "queue-scaled")?.detail).toMatch(/^scaled: 1 to 2 shards: \d+ tasks wait/);
  const second = await Promise.all(times(60, () => client.submit(task)));
  expect(new Set(second.map((id) => id.split(".")[1]))).toContain("1");
  await client.expect(200, "PATCH", "/queues/scaled", { autoscale: null, shards: 1 });
  const third = await Promise.all(times(20, () => client.submit(task)));
  expect(new Set(third.map((id) => id.split(".")[1]))).toEqual(new Set(["0"]));
  effects.release();
  await client.settled("scaled");
  const ended = await client.tasks([...first.ids, ...second, ...third]);
  expect(ended.filter(({ status }) => status !== "SUCCEEDED")).toEqual([]);
  expect(ended).toHaveLength(140);
});
