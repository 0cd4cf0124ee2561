/** What a shard says of a task that waits no more, or never did. */
import { describe, expect, it } from "vitest";
import type { Explanation } from "../../core/explain.ts";
import type { Seq } from "../../core/ids.ts";
import { iso } from "../../core/task.ts";
import { explain } from "../../durable-objects/queue-shard/reads/explain.ts";
import { cancel } from "../../durable-objects/queue-shard/waiting/cancel.ts";
import { makeWorld, type ShardWorld, START } from "../support/node/shard-world.ts";
import { accept, failed, succeeded, WorkerHand } from "../support/node/worker-hand.ts";

/** An id that nobody has. */
const NOBODY = 1 as Seq;

function explained(world: ShardWorld, seq: Seq | undefined): Explanation {
  const answer = explain(world.shard, { v: 1, seq: seq ?? NOBODY });
  if (!answer.ok || answer.explanation === null) throw new Error(`nothing is known of ${seq}`);
  return answer.explanation;
}

describe("277 a task that waits no more", () => {
  it("runs: since when, by whom, until when it is believed; or lies ready with its worker; or was asked to stop", () => {
    const world = makeWorld({ slots: 1, sessionMaxTasks: 100 });
    const [one, two] = accept(world, { options: '{"timeoutMs":10000}' }, {});
    const hand = new WorkerHand(world);
    hand.say({ want: 1 });
    expect(explained(world, one)).toMatchObject({
      status: "RUNNING",
      summary: `Attempt 1 runs since ${iso(START)}, by w.`,
      running: {
        worker: "w",
        attempt: 1,
        startedAt: iso(START),
        deadline: iso(START + 15_000),
        leaseUntil: iso(START + 45_000),
        cancelRequested: false,
      },
    });
    expect(explained(world, two)).toMatchObject({ running: { startedAt: null, deadline: null } });
    cancel(world.shard, { v: 1, seq: one ?? NOBODY });
    expect(explained(world, one)).toMatchObject({
      running: { cancelRequested: true, deadline: iso(START + 10_000) },
      summary: expect.stringContaining("asked to stop"),
    });
  });

  it("has ended, and how", () => {
    const world = makeWorld({ retry: { maxAttempts: 1 } });
    const [good, bad, unwanted] = accept(world, {}, {}, { runAt: START + 1_000 });
    const hand = new WorkerHand(world);
    const [first, second] = hand.tasks;
    if (first && second) hand.say({ outcomes: [succeeded(world, first), failed(world, second)] });
    cancel(world.shard, { v: 1, seq: unwanted ?? NOBODY });
    expect(explained(world, good)).toEqual({
      status: "SUCCEEDED",
      summary: `It succeeded at ${iso(START)}, after 1 attempt.`,
      ended: { at: iso(START), attempts: 1 },
    });
    expect(explained(world, bad)).toMatchObject({
      status: "FAILED",
      ended: { error: { code: "handler-error" } },
      summary: expect.stringMatching(/^It failed at .*, after 1 attempt\. handler-error: /),
    });
    expect(explained(world, unwanted)).toMatchObject({ status: "CANCELLED", ended: { error: { code: "cancelled" } } });
  });

  it("is not here, and the shard stays without tables", () => {
    const world = makeWorld();
    expect(explain(world.shard, { v: 1, seq: NOBODY })).toMatchObject({ ok: true, explanation: null });
    expect(world.shard.sql.all("SELECT name FROM sqlite_master")).toEqual([]);
    accept(world, {});
    expect(explain(world.shard, { v: 1, seq: NOBODY })).toMatchObject({ ok: true, explanation: null });
  });
});
