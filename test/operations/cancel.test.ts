/** Cancelling by id: what waits ends at once, what runs is asked to stop and ends in time, whatever its worker says. */
import { describe, expect, it } from "vitest";
import type { Seq } from "../../core/ids.ts";
import { CANCEL_GRACE_MS } from "../../core/lease.ts";
import type { NewTask } from "../../core/schema/rpc.ts";
import type { Outcome } from "../../core/schema/session-rpc.ts";
import type { TaskRecord } from "../../core/task.ts";
import { depthOf } from "../../durable-objects/queue-shard/memory.ts";
import { wait } from "../../durable-objects/queue-shard/reads/wait.ts";
import { cancel } from "../../durable-objects/queue-shard/waiting/cancel.ts";
import { makeWorld, type ShardWorld } from "../support/node/shard-world.ts";
import {
  accept,
  cancelled,
  failed,
  many,
  nth,
  returned,
  snoozed,
  succeeded,
  taskAt,
  WorkerHand,
} from "../support/node/worker-hand.ts";

function cancelAt(world: ShardWorld, seq: Seq): TaskRecord | null {
  const answer = cancel(world.shard, { v: 1, seq });
  if (!answer.ok) throw new Error(answer.detail);
  return answer.task;
}

/** A task that runs, and was asked to stop. */
function stopping(options: object = {}) {
  const world = makeWorld();
  const seq = nth(accept(world, { options: JSON.stringify(options) }), 0);
  const hand = new WorkerHand(world);
  const task = nth(hand.tasks, 0);
  expect(cancelAt(world, seq)).toMatchObject({ status: "RUNNING", cancelRequested: true });
  return { world, seq, hand, task };
}

const later = (world: ShardWorld): Partial<NewTask> => ({ runAt: world.now + 60_000 });

describe("216 a task that waits", () => {
  it("ends at once, whichever way it waits, and nothing is left of it but its record", () => {
    const world = makeWorld();
    const [queued, scheduled, retrying] = accept(world, { priority: 1 }, later(world), {});
    if (queued === undefined || scheduled === undefined || retrying === undefined) throw new Error("not accepted");
    const hand = new WorkerHand(world, { want: 1 });
    hand.say({ outcomes: hand.tasks.map((task) => failed(world, task)) });
    for (const [seq, was] of [
      [queued, "QUEUED"],
      [scheduled, "SCHEDULED"],
      [retrying, "RETRYING"],
    ] as const) {
      const { rev } = taskAt(world, seq) ?? { rev: 0 };
      expect([was, taskAt(world, seq)?.status]).toEqual([was, was]);
      const ended = cancelAt(world, seq);
      const error = { code: "cancelled", message: `cancelled while ${was}` };
      expect(ended).toMatchObject({ status: "CANCELLED", rev: rev + 1, endedAt: world.now, error });
      expect(ended?.moves.at(-1)).toEqual(["CANCELLED", world.now, `cancelled while ${was}`]);
      expect(taskAt(world, seq)).toEqual(ended);
    }
    expect(taskAt(world, retrying)?.attempts).toMatchObject([{ outcome: "failed" }]);
    expect([depthOf(world.shard.memory), world.shard.memory.due]).toEqual([0, { count: 0, next: null }]);
  });

  it("is never handed out, its neighbours are, and a later one is due when it is due", () => {
    const world = makeWorld();
    const seqs = accept(world, ...many(300), later(world), { runAt: world.now + 90_000 });
    const gone = [0, 5, 127, 128, 200, 299, 300].map((i) => nth(seqs, i));
    for (const seq of gone) cancelAt(world, seq);
    expect(world.shard.memory.due).toEqual({ count: 1, next: world.now + 90_000 });
    world.passTo(world.now + 90_000);
    const got: Seq[] = [];
    for (;;) {
      const hand = new WorkerHand(world);
      const tasks = hand.tasks;
      const told = hand.say({ outcomes: tasks.map((task) => succeeded(world, task)), want: 64 });
      got.push(...tasks.map(({ seq }) => seq), ...told.tasks.map(({ seq }) => seq));
      hand.close(told.tasks.map((task) => succeeded(world, task)));
      if (world.shard.memory.lanes.queued === 0) break;
    }
    expect(got).toEqual(seqs.filter((seq) => !gone.includes(seq)));
  });

  it("whoever waits for its end is told", () => {
    const world = makeWorld();
    const seq = nth(accept(world, later(world)), 0);
    const told: unknown[] = [];
    wait(world.shard, { v: 1, seq, waitMs: 60_000 }, (answer) => told.push(answer));
    cancelAt(world, seq);
    expect(told).toMatchObject([{ tasks: [{ status: "CANCELLED" }] }]);
  });

  it("218 cancelled again, or after it ended otherwise, it stays as it was and nothing is written", () => {
    const world = makeWorld();
    const [first, second] = accept(world, {}, {});
    if (first === undefined || second === undefined) throw new Error("not accepted");
    const ended = cancelAt(world, first);
    const hand = new WorkerHand(world);
    hand.say({ outcomes: hand.tasks.map((task) => failed(world, task, false)) });
    const rows = world.shard.memory.outbox.rows;
    expect([cancelAt(world, first), cancelAt(world, second)?.status]).toEqual([ended, "FAILED"]);
    expect(cancelAt(world, (second + 1) as Seq)).toBeNull();
    expect(world.shard.memory.outbox.rows).toBe(rows);
  });
});

describe("217 a task that runs", () => {
  it("its session is told by its next turn, again until it has heard, and no more after that", () => {
    const { hand, seq, world } = stopping();
    expect(hand.say({ cancelling: [] }).cancel).toEqual([seq]);
    world.evict();
    expect(hand.say({ cancelling: [] }).cancel).toEqual([seq]);
    expect(hand.say({ cancelling: [seq] }).cancel).toEqual([]);
  });

  it("its session's parked poll is answered at once", () => {
    const world = makeWorld();
    const seq = nth(accept(world, {}), 0);
    const hand = new WorkerHand(world);
    expect(hand.ask({ want: 1, waitMs: 10_000 })).toBeNull();
    cancelAt(world, seq);
    expect(world.late).toMatchObject([{ ok: true, handout: { cancel: [seq], tasks: [] } }]);
    expect(hand.ask({ want: 1, waitMs: 10_000, cancelling: [seq] })).toBeNull();
    cancelAt(world, seq);
    expect(world.late).toHaveLength(1);
  });

  it("a lost answer is told again, and the opening too", () => {
    const { world, seq, hand } = stopping();
    hand.say({ cancelling: [] });
    const again = world.advance({ session: hand.session, turn: hand.turn, holding: [seq], cancelling: [] });
    expect(again).toMatchObject({ handout: { cancel: [seq] } });
    const other = makeWorld();
    accept(other, {});
    const worker = { name: "w", kind: "consumer", types: { echo: 1 }, boot: null, stay: "s" } as const;
    const { tasks } = new WorkerHand(other, { worker });
    cancelAt(other, nth(tasks, 0).seq);
    expect(other.open({ worker })).toMatchObject({ handout: { cancel: [nth(tasks, 0).seq], tasks: [{}] } });
  });

  const ways: readonly [string, (world: ShardWorld, task: Parameters<typeof cancelled>[1]) => Outcome, object][] = [
    ["stops", cancelled, { attempts: [{ outcome: "cancelled" }] }],
    ["fails", failed, { attempts: [{ outcome: "failed" }] }],
    ["fails for good", (world, task) => failed(world, task, false), { attempts: [{ outcome: "failed" }] }],
    ["asks for later", (world, task) => snoozed(world, task, 5_000), { attempts: [{ outcome: "snoozed" }] }],
    ["is handed back", returned, { attempts: [{ outcome: "returned" }] }],
    ["never began", (world, task) => returned(world, task, false), { attempts: [] }],
  ];
  it.each(ways)("is CANCELLED and nothing else where it %s", (_, outcome, told) => {
    const { world, seq, hand, task } = stopping();
    hand.say({ outcomes: [outcome(world, task)], want: 5 });
    expect(taskAt(world, seq)).toMatchObject({ status: "CANCELLED", error: { code: "cancelled" }, ...told });
    expect([depthOf(world.shard.memory), world.shard.memory.dead.count, world.deadLetters]).toEqual([0, 0, []]);
  });

  it("has succeeded where it did so before it stopped", () => {
    const { world, seq, hand, task } = stopping();
    hand.say({ outcomes: [succeeded(world, task)] });
    expect(taskAt(world, seq)?.status).toBe("SUCCEEDED");
  });

  it.each([
    ["its session lives", true],
    ["its session is silent", false],
  ])("ends 10 s later where %s, and a later outcome is refused", (_, speaks) => {
    const { world, seq, hand, task } = stopping();
    const askedAt = world.now;
    world.passTo(askedAt + CANCEL_GRACE_MS - 1);
    if (speaks) hand.say();
    expect(taskAt(world, seq)?.status).toBe("RUNNING");
    world.passTo(askedAt + CANCEL_GRACE_MS);
    const ended = taskAt(world, seq);
    expect(ended).toMatchObject({ status: "CANCELLED", endedAt: askedAt + CANCEL_GRACE_MS });
    expect(hand.say({ outcomes: [succeeded(world, task)] }).lost).toEqual([seq]);
    expect(taskAt(world, seq)).toEqual(ended);
    expect(world.shard.memory.running).toBe(0);
  });

  it("asked for twice, it has no longer for that, and over a loss of memory neither", () => {
    const { world, seq } = stopping();
    const askedAt = world.now;
    world.passTo(askedAt + 6_000);
    world.evict();
    cancelAt(world, seq);
    world.passTo(askedAt + CANCEL_GRACE_MS);
    expect(taskAt(world, seq)?.status).toBe("CANCELLED");
  });

  it("ends where its session is lost, and is not tried again", () => {
    const world = makeWorld();
    const [seq] = accept(world, {});
    if (seq === undefined) throw new Error("not accepted");
    new WorkerHand(world);
    world.passTo(world.now + 44_000);
    cancelAt(world, seq);
    world.passTo(world.now + 1_000);
    expect(taskAt(world, seq)).toMatchObject({ status: "CANCELLED", attempts: [{ outcome: "crashed" }], crashes: 1 });
  });

  it("ends where its handing over was lost, or its session closes", () => {
    const { world, seq, hand } = stopping();
    hand.say({ holding: [], want: 5 });
    expect(taskAt(world, seq)).toMatchObject({ status: "CANCELLED", attempts: [] });
    const other = stopping();
    other.hand.close();
    expect(taskAt(other.world, other.seq)).toMatchObject({ status: "CANCELLED", attempts: [] });
  });

  it("one that stops though nobody asked is handed back", () => {
    const world = makeWorld();
    const seq = nth(accept(world, {}), 0);
    const hand = new WorkerHand(world);
    hand.say({ outcomes: hand.tasks.map((task) => cancelled(world, task)) });
    expect(taskAt(world, seq)).toMatchObject({ status: "QUEUED", attempts: [{ outcome: "returned" }] });
  });
});
