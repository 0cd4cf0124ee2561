/** A stop in the middle of work: what runs may end, the rest is given back, and no attempt is spent by it. */
import { expect, it } from "vitest";
import type { Task } from "../../core/task.ts";
import { Client } from "../support/node/client.ts";
import { Effects } from "../support/node/effects.ts";
import { startFaulty } from "../support/node/steer.ts";
import { waitFor } from "../support/node/wait-for.ts";

it("197 who waits for a task when the service stops is told how the task stands", async () => {
  await using service = await startFaulty({ DRAIN_SECONDS: "1" });
  await using effects = await Effects.start();
  const client = new Client(service.url);
  await client.putQueue("waited", { concurrency: 1 });
  effects.hold(1);
  const task = { type: "effect", payload: { url: effects.url }, queue: "waited" };
  const running = await client.submit(task);
  await waitFor(() => effects.holding === 1, { what: "a task runs" });
  const queued = await client.submit(task);
  const later = await client.submit({ ...task, delaySeconds: 600 });
  const waits = [running, queued, later].map((id) =>
    client.expect<Task>(200, "GET", `/tasks/submissions/${id}?wait=60`),
  );
  // Each question has reached its shard when the one after it on the same way is answered.
  await client.tasks([running, queued, later]);
  const stopped = service.stop();
  const statuses = (await Promise.all(waits)).map(({ status }) => status);
  expect(statuses).toEqual(["QUEUED", "QUEUED", "SCHEDULED"]);
  expect(await stopped).toBe(0);
});

it("D3 197 graceful shutdown: short tasks end, long ones are handed back, waiting ones wait; a restart finishes all, no attempt is spent", async () => {
  await using service = await startFaulty({ DRAIN_SECONDS: "2" });
  await using short = await Effects.start();
  await using long = await Effects.start();
  const client = new Client(service.url);
  await client.putQueue("drained", { concurrency: 12, retry: { maxAttempts: 1 } });
  const tasks = (effects: Effects, count: number) =>
    client.submitAll(
      Array.from({ length: count }, () => ({ type: "effect", payload: { url: effects.url }, queue: "drained" })),
    );
  short.hold(6);
  long.hold(6);
  const shorts = await tasks(short, 6);
  const longs = await tasks(long, 6);
  const waiting = await tasks(short, 200);
  await waitFor(() => short.holding === 6 && long.holding === 6, { what: "six short and six long tasks run" });

  const stopped = service.stop();
  await waitFor(() => service.logs.err.some((line) => line.startsWith("SIGTERM")), { what: "the drain has begun" });
  short.release();
  expect(await stopped).toBe(0);
  // Drained, so nothing new was begun.
  expect(short.posts).toBe(6);
  expect(service.logs.err.at(-1)).toMatch(/^Stopped after \d+ ms\.$/);
  long.forget();

  await service.restart();
  for (const { batch } of [shorts, longs, waiting]) {
    const { counts, tasks: size } = await client.batchEnded(batch);
    expect(counts.SUCCEEDED).toBe(size);
  }
  const outcomes = async (ids: readonly string[]) => {
    const found = await client.tasks(ids);
    return new Set(found.map(({ attempts }) => attempts.map(({ outcome }) => outcome).join(" ")));
  };
  expect(await outcomes(shorts.ids)).toEqual(new Set(["succeeded"]));
  expect(await outcomes(waiting.ids)).toEqual(new Set(["succeeded"]));
  // maxAttempts is 1: what had been spent could not have run again.
  expect(await outcomes(longs.ids)).toEqual(new Set(["returned succeeded"]));
  expect([short.done.size, short.posts, long.done.size, long.posts]).toEqual([206, 206, 6, 12]);
});
