/** Tasks that have not begun in their time: what waits ends at that moment, what would come back ends on its way. */
import { describe, expect, it } from "vitest";
import type { Seq } from "../../core/ids.ts";
import type { Outcome } from "../../core/schema/session-rpc.ts";
import { depthOf } from "../../durable-objects/queue-shard/memory.ts";
import { wait } from "../../durable-objects/queue-shard/reads/wait.ts";
import { cancel } from "../../durable-objects/queue-shard/waiting/cancel.ts";
import { makeWorld, type ShardWorld } from "../support/node/shard-world.ts";
import {
  accept,
  failed,
  many,
  nth,
  returned,
  snoozed,
  succeeded,
  taskAt,
  WorkerHand,
} from "../support/node/worker-hand.ts";

const TTL = 10_000;
const within = (world: ShardWorld, more: object = {}) => ({ expiresAt: world.now + TTL, ...more });

describe("219 a task that waits when its time to begin is over", () => {
  it("is EXPIRED at that moment, whichever way it waits, and not before", () => {
    const world = makeWorld({ retry: { maxAttempts: 3, baseMs: 60_000 } });
    const over = world.now + TTL;
    const [retrying] = accept(world, within(world));
    const hand = new WorkerHand(world);
    hand.say({ outcomes: hand.tasks.map((task) => failed(world, task)) });
    hand.close();
    const [queued, scheduled] = accept(world, within(world), within(world, { runAt: world.now + TTL - 1 }));
    const all = [retrying, queued, scheduled].map((seq) => seq ?? (0 as Seq));
    world.passTo(over - 1);
    expect(all.map((seq) => taskAt(world, seq)?.status)).toEqual(["RETRYING", "QUEUED", "QUEUED"]);
    world.passTo(over);
    for (const seq of all) {
      const error = { code: "expired", message: `not begun by ${new Date(over).toISOString()}` };
      expect(taskAt(world, seq)).toMatchObject({ status: "EXPIRED", endedAt: over, error });
    }
    expect([depthOf(world.shard.memory), world.shard.memory.due.count]).toEqual([0, 0]);
    expect(taskAt(world, nth(all, 0))?.attempts).toMatchObject([{ outcome: "failed" }]);
  });

  it("is EXPIRED while its queue is paused and after a loss of memory, and whoever waits for it is told", () => {
    const world = makeWorld({ paused: true });
    const seq = nth(accept(world, within(world)), 0);
    const told: unknown[] = [];
    world.evict();
    wait(world.shard, { v: 1, seq, waitMs: 60_000 }, (answer) => told.push(answer));
    expect(taskAt(world, seq)).toMatchObject({ startBy: world.now + TTL });
    world.passTo(world.now + TTL);
    expect(told).toMatchObject([{ tasks: [{ status: "EXPIRED" }] }]);
  });

  it("is not handed out, though the alarm is late: it goes first, and its neighbours are handed out", () => {
    const world = makeWorld();
    const [stays, goes] = accept(world, { priority: 1 }, within(world, { priority: 9 }));
    const hand = new WorkerHand(world, { want: 0 });
    const told: unknown[] = [];
    wait(world.shard, { v: 1, seq: goes ?? (0 as Seq), waitMs: 60_000 }, (answer) => told.push(answer));
    world.now += TTL;
    expect(hand.say({ want: 5 }).tasks.map(({ seq }) => seq)).toEqual([stays]);
    expect(told).toMatchObject([{ tasks: [{ status: "EXPIRED" }] }]);
    world.passTo(world.now);
    expect(taskAt(world, goes ?? (0 as Seq))?.status).toBe("EXPIRED");
  });

  it("119 holds nothing up: thousands at once, and what is next is claimed before they have all ended", () => {
    const world = makeWorld();
    accept(world, ...many(5_000, within(world, { type: "sleep" })));
    const before = accept(world, ...many(300, within(world)));
    const next = nth(accept(world, {}), 0);
    world.now += TTL;
    const worker = { name: "w", kind: "consumer", types: { echo: 1 }, boot: null } as const;
    const hand = new WorkerHand(world, { want: 1, worker });
    expect(hand.tasks.map(({ seq }) => seq)).toEqual([next]);
    expect(before.map((seq) => taskAt(world, seq)?.status)).toEqual(before.map(() => "EXPIRED"));
    expect(world.shard.memory.lanes.queued).toBe(5_000);
  });

  it("goes in portions where they are many or large, each of them at once after the other", () => {
    const world = makeWorld();
    const large = { ...within(world), payload: JSON.stringify("x".repeat(200_000)) };
    const seqs = accept(world, ...many(1_500, within(world)), ...many(60, large), {});
    world.passTo(world.now + TTL);
    const status = seqs.map((seq) => taskAt(world, seq)?.status);
    expect([status.filter((one) => one === "EXPIRED").length, status.at(-1)]).toEqual([1_560, "QUEUED"]);
    expect(world.shard.memory.lanes.queued).toBe(1);
  });
});

describe("220 a task that has begun in its time", () => {
  const ways: readonly [string, (world: ShardWorld, task: Parameters<typeof failed>[1]) => Outcome, string][] = [
    ["succeeds", succeeded, "SUCCEEDED"],
    ["fails for good", (world, task) => failed(world, task, false), "FAILED"],
    ["fails and would be tried again", failed, "EXPIRED"],
    ["asks for later", (world, task) => snoozed(world, task, 5_000), "EXPIRED"],
    ["is handed back", returned, "EXPIRED"],
  ];
  it.each(ways)("and %s after it: %s", (_, outcome, status) => {
    const world = makeWorld();
    const seq = nth(accept(world, within(world)), 0);
    const hand = new WorkerHand(world);
    world.passTo(world.now + TTL + 1);
    expect(taskAt(world, seq)?.status).toBe("RUNNING");
    hand.say({ outcomes: hand.tasks.map((task) => outcome(world, task)), want: 5 });
    expect(taskAt(world, seq)).toMatchObject({ status, attempts: [{ attempt: 1 }] });
    expect(depthOf(world.shard.memory)).toBe(0);
  });

  it("and crashes after it is EXPIRED; cancelled, it is CANCELLED", () => {
    const world = makeWorld();
    const [crashes, stops] = accept(world, ...many(2, within(world)));
    new WorkerHand(world);
    world.passTo(world.now + 40_000);
    if (stops !== undefined) cancel(world.shard, { v: 1, seq: stops });
    world.passTo(world.now + 5_000);
    expect([crashes, stops].map((seq) => seq && taskAt(world, seq)?.status)).toEqual(["EXPIRED", "CANCELLED"]);
  });
});
