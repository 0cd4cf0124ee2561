/** D1 is down, hangs, or loses its answers: tasks are taken and run all the same, and it catches up. */
import { describe, expect, it } from "vitest";
import type { Faults } from "../support/entry/faults.ts";
import { Effects } from "../support/node/effects.ts";
import { hostService } from "../support/node/host-service.ts";
import { DOOR, setFaults } from "../support/node/steer.ts";
import { waitFor } from "../support/node/wait-for.ts";

const { client } = await hostService();

const echoes = (queue: string, count: number) =>
  Array.from({ length: count }, (_, i) => ({ type: "echo", payload: { i }, queue }));

describe.concurrent("while D1", () => {
  it.each<[string, Faults["history"]]>([
    ["is down", "down"],
    ["hangs", "hang"],
    ["writes and loses its answers", "lose"],
  ])(
    "165 %s: submissions, runs, due tasks and leases go on; then it catches up and nothing is lost",
    async (_, fault) => {
      await using effects = await Effects.start();
      const queue = `history-${fault}`;
      await client.putQueue(queue);
      await setFaults(client, queue, { history: fault });
      const { ids } = await client.submitAll(echoes(queue, 300));
      for (const id of ids.slice(0, 20)) expect((await client.ended(id)).status).toBe("SUCCEEDED");
      await waitFor(async () => (await client.counts(queue)).depth === 0, { what: "all have run" });
      expect((await client.counts(queue)).outboxRows).toBeGreaterThan(0);

      // What history has not taken is read from the shard.
      expect(await client.result(ids[7] ?? "")).toMatchObject({ status: "SUCCEEDED", result: { i: 7 } });
      const read = await client.tasks(ids);
      expect(new Set(read.map(({ status }) => status))).toEqual(new Set(["SUCCEEDED"]));

      const due = await client.submit({ type: "echo", payload: "due", queue, delaySeconds: 0.5 });
      expect((await client.ended(due)).status).toBe("SUCCEEDED");

      effects.hold(1);
      const held = await client.submit({ type: "effect", payload: { url: effects.url }, queue });
      await waitFor(() => effects.holding === 1, { what: "a task runs" });
      await setFaults(client, queue, { clockMs: 46_000 });
      // Its lease is over by the shard's clock: it runs again, in another session.
      const again = await waitFor(
        async () => {
          const task = await client.task(held);
          return task.status === "SUCCEEDED" && task;
        },
        { what: "the task ran again", timeoutMs: 30_000 },
      );
      expect(again.attempts.map(({ outcome }) => outcome)).toEqual(["crashed", "succeeded"]);
      effects.release();

      expect((await client.counts(queue)).outboxRows).toBeGreaterThan(0);
      await setFaults(client, queue, { history: "works" });
      await client.settled(queue);
      const kept = await client.tasks([...ids, due, held]);
      expect(new Set(kept.map(({ status }) => status))).toEqual(new Set(["SUCCEEDED"]));
      expect(await client.result(ids[299] ?? "")).toMatchObject({ result: { i: 299 }, attempts: 1 });
    },
  );
});

it("A10 166 193 while D1 is silent, what it alone knows is 503 history-unavailable in time, readiness shows it, the rest works", async () => {
  await client.putQueue("known");
  const old = await client.submit({ type: "echo", payload: "old", queue: "known" });
  await client.ended(old);
  await client.settled("known");
  await setFaults(client, "known", { history: "hang" });
  await setFaults(client, DOOR, { history: "hang" });
  const young = await client.submit({ type: "echo", payload: "young", queue: "known" });
  expect((await client.ended(young)).status).toBe("SUCCEEDED");
  expect((await client.result(young)).result).toBe("young");
  for (const path of [`/tasks/${old}`, `/tasks/submissions/${old}`]) {
    const since = performance.now();
    const reply = await client.call("GET", path);
    expect(reply).toMatchObject({ status: 503, body: { code: "history-unavailable", retryable: true } });
    expect(performance.now() - since).toBeLessThan(3_500);
  }
  const ready = await client.call<object>("GET", "/health/ready");
  expect(ready).toMatchObject({ status: 200, body: { status: "degraded", components: { history: "unreachable" } } });
  await setFaults(client, DOOR, { history: "works" });
  await setFaults(client, "known", { history: "works" });
  expect((await client.result(old)).result).toBe("old");
  expect(await client.call("GET", "/health/ready")).toMatchObject({ status: 200, body: { status: "ready" } });
});
