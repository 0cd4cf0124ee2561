/** Why tasks wait, what is next, what a submission would do: told by the service, and seen from outside. */
import { expect, it, vi } from "vitest";
import type { Explanation, WaitingExplanation } from "../../core/explain.ts";
import type { ReasonCode } from "../../core/explain-reasons.ts";
import type { NewTask } from "../support/node/client.ts";
import { Effects, keyOf } from "../support/node/effects.ts";
import { hostService } from "../support/node/host-service.ts";
import { takeCounts } from "../support/node/steer.ts";
import { waitFor } from "../support/node/wait-for.ts";

const HOUR_MS = 3_600_000;

const { client } = await hostService();

const explain = (id: string) => client.expect<Explanation>(200, "GET", `/tasks/submissions/${id}/explain`);

/** The explanation, once it gives that reason. */
function waitsFor(id: string, code: ReasonCode): Promise<WaitingExplanation> {
  return waitFor(
    async () => {
      const told = await explain(id);
      if ("reasons" in told && told.reasons.some((reason) => reason.code === code)) return told;
      throw new Error(told.summary);
    },
    { what: `${id} waits for ${code}` },
  );
}

it("276 277 each reason, as it comes about", async () => {
  await using effects = await Effects.start();
  effects.hold(10);
  const queue = "why";
  const rate = { limit: 1, periodMs: HOUR_MS };
  await client.putQueue(queue, { keyLimits: { concurrency: 1 }, typeLimits: { echo: { rate } } });
  const effect: NewTask = { type: "effect", payload: { url: effects.url }, queue };
  const acme = { ...effect, limitKey: "acme" };

  const runs = await client.submit(acme);
  await waitFor(() => effects.holding === 1, { what: "a task runs" });
  expect(await explain(runs)).toMatchObject({ status: "RUNNING", running: { attempt: 1, cancelRequested: false } });
  expect(await waitsFor(await client.submit(acme), "key-concurrency")).toMatchObject({
    earliestStart: null,
    decidedBy: "key-concurrency",
    reasons: [{ limitKey: "acme", running: 1, limit: 1 }],
  });

  const echo: NewTask = { type: "echo", payload: 1, queue };
  const first = await client.submit(echo);
  await client.ended(first);
  expect(await explain(first)).toMatchObject({ status: "SUCCEEDED", ended: { attempts: 1 } });
  const rated = await waitsFor(await client.submit(echo), "type-rate");
  const inMs = Date.parse(String(rated.earliestStart)) - Date.now();
  expect(inMs).toBeGreaterThan(HOUR_MS - 60_000);
  expect(inMs).toBeLessThanOrEqual(HOUR_MS);

  const later = await client.submit({ ...effect, delaySeconds: 60, ttlSeconds: 600 });
  expect((await waitsFor(later, "scheduled")).reasons.map(({ code }) => code)).toEqual(["scheduled", "expires"]);
  const fails = await client.submit({ type: "fail", payload: { times: 9 }, queue, retry: { baseMs: HOUR_MS } });
  expect(await waitsFor(fails, "retrying")).toMatchObject({ reasons: [{ attemptsSpent: 1 }] });

  await client.expect(200, "PUT", "/types/elsewhere", { queue });
  const strange = await client.submit({ type: "elsewhere", payload: {} });
  expect(await waitsFor(strange, "no-worker")).toMatchObject({ decidedBy: "no-worker", earliestStart: null });

  await client.patchQueue(queue, { concurrency: 1 });
  const full = await client.submit(effect);
  expect(await waitsFor(full, "queue-concurrency")).toMatchObject({ reasons: [{ running: 1, limit: 1 }] });
  await client.pause(queue);
  expect(await waitsFor(full, "paused")).toMatchObject({ decidedBy: "paused" });

  const next = await client.expect<{ heldBack: { code: string; count: number }[] }>(
    200,
    "GET",
    `/queues/${queue}/next`,
  );
  expect(next.heldBack.map(({ code, count }) => [code, count])).toEqual([
    ["paused", 1],
    ["queue-concurrency", 1],
    ["no-worker", 1],
    ["key-concurrency", 1],
    ["type-rate", 1],
  ]);
  // An alarm of the queue's may come between, and writes.
  await vi.waitFor(
    async () => {
      await takeCounts(client, queue);
      await Promise.all([explain(full), explain(later), client.expect(200, "GET", `/queues/${queue}/next`)]);
      expect(await takeCounts(client, queue)).toMatchObject({ rowsWritten: 0 });
    },
    { timeout: 10_000, interval: 50 },
  );
  effects.release();
});

it("261 283 tasks start in the order that was told, and one that was only tried where it was to", async () => {
  await using effects = await Effects.start();
  const queue = "line";
  await client.putQueue(queue, { concurrency: 1, fair: { weights: { paying: 2 } } });
  effects.hold(1);
  const effect: NewTask = { type: "effect", payload: { url: effects.url }, queue };
  await client.submit({ ...effect, priority: 9 });
  await waitFor(() => effects.holding === 1, { what: "the only place is taken" });
  const keys = ["free", "free", "paying", "free", "paying", "paying", "paying", "free"];
  for (const fairnessKey of keys) await client.submit({ ...effect, fairnessKey });
  const urgent = { ...effect, priority: 7 };
  type Tried = { shards: { ahead: number }[] };
  const ahead = async (task: NewTask) =>
    (await client.expect<Tried>(200, "POST", "/tasks/submissions", { ...task, dryRun: true })).shards[0]?.ahead;
  // A task without a key is as far as the two others, whose first tasks are older.
  expect([await ahead(effect), await ahead({ ...effect, priority: 1 })]).toEqual([2, 8]);
  expect(await ahead(urgent)).toBe(0);
  const tasks = [{ ...effect, priority: 1 }, effect, urgent];
  const tried = await client.expect<{ results: object[] }>(200, "POST", "/tasks/submissions", { tasks, dryRun: true });
  const full = { earliestStart: null, decidedBy: "queue-concurrency" };
  expect(tried.results).toMatchObject([9 + 1, 3, 0].map((before) => ({ ahead: before, ...full })));
  expect(await client.counts(queue)).toMatchObject({ queued: 8 });
  await client.submit(urgent);
  const { next } = await client.expect<{ next: { id: string }[] }>(200, "GET", `/queues/${queue}/next`);
  effects.release();
  await client.settled(queue);
  expect([...effects.seen.keys()].slice(1)).toEqual(next.map(({ id }) => keyOf(id)));
  expect(next).toHaveLength(9);
});
