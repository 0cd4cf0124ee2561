/** What a purge ends, portion by portion, and what it leaves alone. */
import { describe, expect, it } from "vitest";
import { MAX_ANSWER_BYTES } from "../../core/bytes.ts";
import { WAITING, type WaitingStatus } from "../../core/status.ts";
import { read } from "../../durable-objects/queue-shard/reads/read.ts";
import { purge } from "../../durable-objects/queue-shard/waiting/purge.ts";
import { makeWorld, type ShardWorld } from "../support/node/shard-world.ts";
import { accept, failed, many, WorkerHand } from "../support/node/worker-hand.ts";

/** Calls until nothing is left. */
function purgeAll(world: ShardWorld, statuses: readonly WaitingStatus[] = WAITING) {
  const portions: number[] = [];
  let place = {};
  for (let calls = 0; calls < 100; calls++) {
    const answer = purge(world.shard, { v: 1, statuses, ...place });
    if (!answer.ok) throw new Error(answer.detail);
    portions.push(answer.purged);
    if (!answer.more) return portions;
    place = { after: answer.after, upTo: answer.upTo };
  }
  throw new Error("a hundred calls did not end it");
}

describe("260 a purge", () => {
  it("ends what waits, whatever it waits for, each with its record; what runs and what is dead stays", () => {
    const world = makeWorld({ slots: 2, retry: { maxAttempts: 2 } });
    const first = accept(world, { options: '{"retry":{"maxAttempts":1}}' }, {}, {});
    const hand = new WorkerHand(world);
    hand.say({ outcomes: hand.tasks.map((task) => failed(world, task, true)), want: 1 });
    const second = accept(world, {}, { runAt: world.now + 60_000 });
    expect(purgeAll(world)).toEqual([3, 0]);
    const answer = read(world.shard, {
      v: 1,
      seqs: [...first, ...second],
    });
    if (!answer.ok) throw new Error(answer.detail);
    const statuses = answer.tasks.map((task) => task?.status);
    expect(statuses).toEqual(["FAILED", "CANCELLED", "RUNNING", "CANCELLED", "CANCELLED"]);
    expect(answer.tasks[3]).toMatchObject({ error: { code: "cancelled", message: "its queue was purged" } });
    expect(world.shard.memory).toMatchObject({ lanes: { queued: 0 }, due: { count: 0, next: null }, running: 1 });
  });

  it("of one status leaves the others", () => {
    const world = makeWorld();
    accept(world, {}, {}, { runAt: world.now + 60_000 });
    expect(purgeAll(world, ["SCHEDULED"])).toEqual([1, 0]);
    expect(world.shard.memory.lanes.queued).toBe(2);
    expect(world.shard.alarmAt === null || world.shard.alarmAt < world.now + 60_000).toBe(true);
  });

  it("goes on where it was, by count and by bytes, and leaves what came meanwhile", () => {
    const world = makeWorld({ depthLimit: 10_000 });
    accept(world, ...many(1_500));
    const first = purge(world.shard, { v: 1, statuses: WAITING });
    expect(first).toMatchObject({ purged: 1_000, more: true });
    accept(world, ...many(3));
    if (!first.ok) throw new Error(first.detail);
    const { after, upTo } = first;
    expect(purge(world.shard, { v: 1, statuses: WAITING, after, upTo })).toMatchObject({ purged: 500 });
    expect(world.shard.memory.lanes.queued).toBe(3);

    const large = JSON.stringify("x".repeat(MAX_ANSWER_BYTES / 40));
    accept(world, ...Array.from({ length: 90 }, () => ({ payload: large })));
    const portions = purgeAll(world);
    expect(portions.length).toBeGreaterThanOrEqual(4);
    expect(portions.reduce((sum, count) => sum + count)).toBe(93);
  });

  it("of a shard that was never written to writes nothing", () => {
    const world = makeWorld();
    expect(purgeAll(world)).toEqual([0]);
    expect(world.shard.memory.hasTables).toBe(false);
  });
});
