/** What several shards say is next, as one list. */
import { expect, it } from "vitest";
import type { Seq } from "../../core/ids.ts";
import { mergeNext, type ShardNext } from "../../core/merge-next.ts";
import type { HeldBack, NextTask } from "../../core/schema/explain-rpc.ts";
import { tellFull } from "../../core/tell-reasons.ts";

function task(createdAt: number, rank = 5, priority = rank): NextTask {
  return { seq: createdAt as Seq, type: "echo", priority, rank, createdAt, limitKey: null, fairnessKey: null };
}

function told(shard: number, tasks: readonly NextTask[], more: Partial<ShardNext["answer"]> = {}): ShardNext {
  const rest = { heldBack: [], heldByOthers: 0, notDue: 0, nextDueAt: null };
  return { shard, answer: { tasks, mayStart: tasks.length, queued: tasks.length, ...rest, ...more } };
}

it("263 goes by priority as age raises it, then by age, and keeps each shard's own order", () => {
  const { tasks, mayStart, queued } = mergeNext(
    [told(0, [task(30, 9), task(10), task(11)]), told(1, [task(40, 5), task(5, 7, 2), task(6)]), told(2, [])],
    5,
  );
  // At shard 1 the task of 40 goes first by turn, so those behind it wait for it here too.
  expect(tasks.map(({ shard, createdAt }) => [shard, createdAt])).toEqual([
    [0, 30],
    [0, 10],
    [0, 11],
    [1, 40],
    [1, 5],
  ]);
  expect([mayStart, queued]).toEqual([5, 6]);
});

it("263 has the older first of those that are level, whichever shard tells of it", () => {
  const answers = [told(0, [task(20), task(40)]), told(1, [task(10), task(30)])];
  expect(mergeNext(answers, 4).tasks.map(({ createdAt }) => createdAt)).toEqual([10, 20, 30, 40]);
  expect(mergeNext(answers.reverse(), 4).tasks.map(({ createdAt }) => createdAt)).toEqual([10, 20, 30, 40]);
});

it("263 is exact where one shard alone has tasks that wait", () => {
  expect(mergeNext([told(0, [task(1)]), told(1, [])], 5).isExact).toBe(true);
  expect(mergeNext([told(0, [task(1)]), told(1, [], { queued: 3 })], 5).isExact).toBe(false);
});

it("262 sums up what holds back by its kind, type and key, with the first token that comes", () => {
  const held = (limitKey: string, count: number): HeldBack => ({
    reason: { code: "key-concurrency", detail: "", limitKey, running: 1, limit: 1 },
    count,
  });
  const rate = (nextTokenAt: string): HeldBack => ({
    reason: { code: "queue-rate", detail: "", limit: 1, periodMs: 1, burst: 1, nextTokenAt, ownTokenAt: nextTokenAt },
    count: 1,
  });
  const room = (running: number, limit: number): HeldBack => ({
    reason: { code: "queue-concurrency", detail: "", running, limit },
    count: 1,
  });
  expect(
    mergeNext([told(0, [], { heldBack: [room(2, 2)] }), told(1, [], { heldBack: [room(1, 1)] })], 5),
  ).toMatchObject({
    heldBack: [{ count: 2, reason: { running: 3, limit: 3, detail: "The queue may run 3 at once: 3 run." } }],
  });
  const answers = [
    told(0, [], { heldBack: [rate("b"), held("x", 2)], nextDueAt: 7, notDue: 1, heldByOthers: 3 }),
    told(1, [], { heldBack: [rate("a"), held("y", 5), held("x", 1)], nextDueAt: 5, notDue: 2, blocked: 4 }),
  ];
  expect(mergeNext(answers, 5)).toMatchObject({
    heldBack: [
      { count: 2, reason: { code: "queue-rate", nextTokenAt: "a" } },
      { count: 3, reason: { limitKey: "x" } },
      { count: 5, reason: { limitKey: "y" } },
    ],
    nextDueAt: 5,
    notDue: 3,
    blocked: 4,
    heldByOthers: 3,
  });
});

it("263 shares of a limit are told as what they are, and together as the limit again", () => {
  const share = { of: 4, shards: 3, told: 1 };
  const full = (limit: number) => ({
    reason: tellFull({ of: "queue" }, { running: limit, limit, share }, 0),
    count: 1,
  });
  const told = (...limits: number[]) =>
    mergeNext(
      limits.map((limit, shard) => ({ shard, answer: { ...EMPTY, heldBack: [full(limit)] } })),
      5,
    ).heldBack[0]?.reason.detail;
  expect(told(2)).toBe("This shard's share of the queue's 4 (3 shards) is 2 at once: 2 run.");
  expect(told(2, 1)).toBe("The share of 2 of 3 shards in the queue's 4 is 3 at once: 3 run.");
  expect(told(2, 1, 1)).toBe("The queue may run 4 at once: 4 run.");
});

const EMPTY = { tasks: [], mayStart: 0, heldByOthers: 0, queued: 1, notDue: 0, nextDueAt: null };
