/** A queue that cannot act costs nothing: no alarm but the lease's, next to no rows read, however much waits. */
import { expect, inject, it } from "vitest";
import { Effects } from "../support/node/effects.ts";
import { hostService } from "../support/node/host-service.ts";
import { takeCounts } from "../support/node/steer.ts";
import { waitFor } from "../support/node/wait-for.ts";

const { client } = await hostService();

const OBSERVED_MS = inject("full") ? 10_000 : 5_000;

it("135 10,000 waiting, paused or with no free slot: no alarm but the lease's, next to no rows read", async () => {
  await using effects = await Effects.start();
  const full = { maxSessions: 1, slots: 2, depthLimit: 20_000 };
  await client.putQueue("paused", { depthLimit: 20_000 });
  await client.putQueue("no-slot", full);
  await client.putQueue("no-concurrency", { concurrency: 2, depthLimit: 20_000 });
  await client.pause("paused");
  effects.hold(4);
  for (const queue of ["paused", "no-slot", "no-concurrency"]) {
    const task = { type: "effect", payload: { url: effects.url }, queue, timeoutMs: 600_000 };
    for (let i = 0; i < 5; i++) await client.submitAll(Array.from({ length: 2_000 }, () => task));
  }
  await waitFor(() => effects.holding === 4, { what: "two tasks run in each of the queues that may" });
  for (const [queue, running] of [
    ["paused", 0],
    ["no-slot", 2],
    ["no-concurrency", 2],
  ] as const) {
    expect(await client.counts(queue)).toMatchObject({ queued: 10_000 - running, running });
    // That the counters count, too.
    expect((await takeCounts(client, queue)).rowsWritten).toBeGreaterThan(10_000);
  }
  // What was issued before the slots were taken may come now: 2 s is when it would be missed.
  const since = performance.now();
  await waitFor(() => performance.now() - since > 3_000, {
    what: "the tickets of the beginning are done with",
    everyMs: 100,
  });
  // The first cron trigger wakes each shard once: one that has lost its memory reads what waits.
  await waitFor(() => new Date().getSeconds() < 58 - OBSERVED_MS / 1_000, {
    what: "a minute's change is far",
    timeoutMs: 20_000,
    everyMs: 100,
  });
  for (const queue of ["paused", "no-slot", "no-concurrency"]) await takeCounts(client, queue);
  const observed = performance.now();
  await waitFor(() => performance.now() - observed > OBSERVED_MS, {
    what: "some seconds to look at",
    timeoutMs: 20_000,
    everyMs: 100,
  });

  for (const queue of ["paused", "no-slot", "no-concurrency"]) {
    const { alarms, setAlarms, rowsRead, rowsWritten } = await takeCounts(client, queue);
    // A session says each 15 s that it lives, which is a row written.
    const isQuiet = alarms <= 1 && setAlarms <= 1 && rowsRead <= 20 && rowsWritten <= 4;
    expect({ queue, alarms, setAlarms, rowsRead, rowsWritten, isQuiet }).toMatchObject({ isQuiet: true });
  }
  expect(effects.posts).toBe(4);
});
