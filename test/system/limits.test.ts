/** Limits and shares, seen from outside: how many run at once, how often they start, and whose turn it is. */
import { describe, expect, it } from "vitest";
import type { NewTask } from "../support/node/client.ts";
import { Effects } from "../support/node/effects.ts";
import { hostService } from "../support/node/host-service.ts";
import { takeCounts } from "../support/node/steer.ts";
import { waitFor } from "../support/node/wait-for.ts";

const { client } = await hostService();

const times = <T>(count: number, make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));

describe("limits", () => {
  it("237 239 one of each limitKey runs; raised, lowered, what waits follows within 2 s", async () => {
    await using effects = await Effects.start();
    const queue = "keyed";
    await client.putQueue(queue, { keyLimits: { concurrency: 1 }, typeLimits: { effect: { concurrency: 8 } } });
    effects.hold(100);
    const task = (i: number): NewTask => ({
      type: "effect",
      payload: { url: effects.url },
      queue,
      limitKey: ["a", "b", "c"][i % 3],
    });
    await client.submitAll(times(60, task));
    await waitFor(() => effects.holding === 3, { what: "one of each key runs" });
    expect(await client.counts(queue)).toMatchObject({ running: 3, queued: 57 });
    const since = performance.now();
    await client.patchQueue(queue, { keyLimits: { concurrency: 3 } });
    await waitFor(() => effects.holding === 8, { what: "as many as their type may run" });
    expect(performance.now() - since).toBeLessThan(2_000);
    expect(effects.most).toBe(8);
    await client.patchQueue(queue, { keyLimits: { concurrency: 1 } });
    effects.release();
    await client.settled(queue);
    expect([effects.done.size, effects.posts]).toEqual([60, 60]);
    expect(effects.most).toBe(8);
  });

  it("238 beside 100,000 tasks of a full limitKey others read as few rows as alone", async () => {
    await using effects = await Effects.start();
    effects.hold(2);
    const rowsRead: number[] = [];
    for (const [queue, waiting] of [
      ["clear", 0],
      ["crowded", 100_000],
    ] as const) {
      await client.putQueue(queue, { keyLimits: { concurrency: 1 }, depthLimit: 200_000 });
      const held = effects.holding;
      await client.submit({ type: "effect", payload: { url: effects.url }, queue, limitKey: "a", timeoutMs: 600_000 });
      await waitFor(() => effects.holding > held, { what: "the key's only slot is taken" });
      const blocked: NewTask = { type: "echo", payload: 0, queue, limitKey: "a", priority: "critical" };
      for (let i = 0; i < waiting; i += 10_000) await client.submitAll(times(10_000, () => blocked));
      await takeCounts(client, queue);
      for (let i = 0; i < 20; i++) {
        const { batch } = await client.submitAll(times(10, (payload) => ({ type: "echo", payload, queue })));
        await client.batchEnded(batch);
      }
      expect(await client.counts(queue)).toMatchObject({ queued: waiting, running: 1 });
      rowsRead.push((await takeCounts(client, queue)).rowsRead);
      // Or one after the other of them would run beside what other tests look at.
      await client.pause(queue);
    }
    const [alone = 0, crowded = 0] = rowsRead;
    expect(alone).toBeGreaterThan(200);
    expect(crowded).toBeLessThan(alone * 1.5);
    effects.release();
  });

  it("242 never more than limit and burst start in any period, over a limit that changes while it works", async () => {
    await using effects = await Effects.start();
    const queue = "rated";
    const rate = { limit: 10, periodMs: 500, burst: 3 };
    await client.putQueue(queue, { rate });
    const starts: number[] = [];
    effects.onPost = () => starts.push(performance.now());
    await client.submitAll(times(40, () => ({ type: "effect", payload: { url: effects.url }, queue })));
    await waitFor(() => starts.length >= 25, { what: "25 have started" });
    for (const [last, at] of starts.entries()) {
      // Between a claim and its request some ms pass, more or less: the window is that much narrower.
      const within = starts.slice(0, last + 1).filter((start) => start > at - rate.periodMs + 60).length;
      expect(within).toBeLessThanOrEqual(rate.limit + rate.burst);
    }
    expect((starts[24] ?? 0) - (starts[0] ?? 0)).toBeGreaterThan(1_000);
    const since = performance.now();
    await client.patchQueue(queue, { rate: null });
    await waitFor(() => starts.length === 40, { what: "the rest has started" });
    expect(performance.now() - since).toBeLessThan(2_000);
    await client.settled(queue);
  });

  it("245 ten tasks of one key behind 2,000 of another end before half of those have", async () => {
    await using effects = await Effects.start();
    const queue = "fair";
    await client.putQueue(queue, { fair: {}, maxSessions: 1, slots: 1 });
    await client.pause(queue);
    const echo = (fairnessKey: string) => ({ type: "echo", payload: 0, queue, fairnessKey });
    await client.submitAll(times(2_000, () => echo("a")));
    const { ids } = await client.submitAll(
      times(10, () => ({ type: "effect", payload: { url: effects.url }, queue, fairnessKey: "b" })),
    );
    const started: number[] = [];
    effects.onPost = () => started.push(started.length);
    await client.resume(queue);
    const tasks = await Promise.all(ids.map((id) => client.ended(id)));
    const { queued } = await client.counts(queue);
    expect([started.length, tasks.map(({ status }) => status)]).toEqual([10, times(10, () => "SUCCEEDED")]);
    expect(queued).toBeGreaterThan(1_000);
    await client.settled(queue);
  });
});
