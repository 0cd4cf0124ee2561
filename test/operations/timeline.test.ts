/** A task's way as its timeline tells it: also what was never written down as it happened. */
import { describe, expect, it } from "vitest";
import type { Seq } from "../../core/ids.ts";
import { nameMoves } from "../../core/move-ids.ts";
import { MAX_MOVES, timelineOf } from "../../core/timeline.ts";
import { cancel } from "../../durable-objects/queue-shard/waiting/cancel.ts";
import { change } from "../../durable-objects/queue-shard/waiting/change.ts";
import { makeWorld, type ShardWorld, START } from "../support/node/shard-world.ts";
import { accept, failed, nth, returned, snoozed, succeeded, taskAt, WorkerHand } from "../support/node/worker-hand.ts";

/** Statuses with when they came, in ms from the start. */
function way(world: ShardWorld, seq: Seq) {
  const task = taskAt(world, seq);
  if (!task) throw new Error("there is no such task");
  return timelineOf(task).moves.map(([status, at]) => [status, at - START]);
}

function idsOf(world: ShardWorld, seq: Seq): string[] {
  const task = taskAt(world, seq);
  return task ? nameMoves(timelineOf(task).moves).map(({ id }) => id) : [];
}

const only = (world: ShardWorld, more: object = {}): Seq => nth(accept(world, more), 0);

describe("224 the timeline", () => {
  it("of a task that simply ran has what nobody wrote", () => {
    const world = makeWorld();
    const seq = only(world);
    world.passTo(START + 5);
    const hand = new WorkerHand(world);
    expect(way(world, seq)).toEqual([
      ["QUEUED", 0],
      ["RUNNING", 5],
    ]);
    world.passTo(START + 9);
    hand.say({ outcomes: hand.tasks.map((task) => ({ ...succeeded(world, task), startedAt: START + 5 })) });
    const told = taskAt(world, seq);
    expect(told?.moves).toEqual([]);
    expect(told && timelineOf(told)).toEqual({
      isComplete: true,
      moves: [
        ["QUEUED", START, "submitted"],
        ["RUNNING", START + 5, "attempt 1, by w", null, 1],
        ["SUCCEEDED", START + 9, "its handler succeeded"],
      ],
    });
  });

  it("of a task that was put off, failed, was put off by its handler, handed back and cancelled has each move", () => {
    const world = makeWorld();
    const seq = only(world, { runAt: START + 100 });
    expect(way(world, seq)).toEqual([["SCHEDULED", 0]]);
    world.passTo(START + 100);
    const hand = new WorkerHand(world);
    const next = (at: number, outcome: typeof failed) => {
      world.passTo(START + at);
      hand.say({ outcomes: hand.tasks.map((task) => outcome(world, task)) });
    };
    next(110, failed);
    world.passTo(START + 1_110);
    hand.say({ want: 1 });
    next(1_120, (_, task) => snoozed(world, task, 500));
    expect(way(world, seq).at(-1)).toEqual(["SCHEDULED", 1_120]);
    world.passTo(START + 1_620);
    expect(way(world, seq).at(-1)).toEqual(["QUEUED", 1_620]);
    hand.say({ want: 1 });
    next(1_630, returned);
    change(world.shard, { v: 1, seq, rev: null, changes: { runAt: START + 9_000 } });
    world.passTo(START + 2_000);
    cancel(world.shard, { v: 1, seq });
    expect(way(world, seq)).toEqual([
      ["SCHEDULED", 0],
      ["QUEUED", 100],
      ["RUNNING", 110],
      ["RETRYING", 110],
      ["QUEUED", 1_110],
      ["RUNNING", 1_120],
      ["SCHEDULED", 1_120],
      ["QUEUED", 1_620],
      ["RUNNING", 1_620],
      ["QUEUED", 1_630],
      ["SCHEDULED", 1_630],
      ["CANCELLED", 2_000],
    ]);
  });

  it.each([
    ["CANCELLED", failed],
    ["SUCCEEDED", succeeded],
  ] as const)("has when what runs was asked to stop, while it runs and when it is %s", (status, outcome) => {
    const world = makeWorld();
    const seq = only(world, { runAt: START + 5 });
    world.passTo(START + 5);
    const hand = new WorkerHand(world);
    world.passTo(START + 9);
    cancel(world.shard, { v: 1, seq });
    const running = [
      ["SCHEDULED", 0],
      ["QUEUED", 5],
      ["RUNNING", 5],
      ["RUNNING", 9],
    ];
    expect(way(world, seq)).toEqual(running);
    const ids = idsOf(world, seq);
    world.passTo(START + 12);
    hand.say({ outcomes: hand.tasks.map((task) => ({ ...outcome(world, task), startedAt: START + 5 })) });
    expect(way(world, seq)).toEqual([...running, [status, 12]]);
    const task = taskAt(world, seq);
    expect(task && timelineOf(task).moves.at(-2)?.[2]).toBe("asked to stop");
    // Whoever follows it by events hears it once.
    expect(idsOf(world, seq).slice(0, -1)).toEqual(ids);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it("has that in its place where it had begun by then, unseen by its shard", () => {
    const world = makeWorld({ slots: 1 });
    const [first, seq] = accept(world, {}, {}) as [Seq, Seq];
    const hand = new WorkerHand(world, { want: 1 });
    expect(hand.say({ want: 1 }).tasks).toMatchObject([{ seq, started: false }]);
    world.passTo(START + 9);
    cancel(world.shard, { v: 1, seq });
    world.passTo(START + 12);
    const outcomes = hand.tasks.map((task) => ({
      ...(task.seq === first ? succeeded : failed)(world, task),
      startedAt: START + 5,
    }));
    hand.say({ outcomes });
    expect(way(world, seq)).toEqual([
      ["QUEUED", 0],
      ["RUNNING", 5],
      ["RUNNING", 9],
      ["CANCELLED", 12],
    ]);
  });

  it("291 says what a later handler took its payload for, while it runs and afterwards", () => {
    const world = makeWorld();
    const [seq, other] = accept(world, {}, { version: 3 });
    const worker = { name: "w", kind: "consumer", types: { echo: 3 }, boot: null } as const;
    const hand = new WorkerHand(world, { worker, want: 2 });
    const begins = () =>
      [seq, other].map((one) => {
        const task = taskAt(world, one as Seq);
        return task && timelineOf(task).moves.find(([status]) => status === "RUNNING")?.[2];
      });
    const told = ["attempt 1, by w, whose handler takes version 1 as 3", "attempt 1, by w"];
    expect(begins()).toEqual(told);
    hand.say({ outcomes: hand.tasks.map((task) => (task.seq === seq ? failed(world, task) : succeeded(world, task))) });
    expect(begins()).toEqual(told);
    expect(taskAt(world, seq as Seq)?.attempts).toMatchObject([{ handlerVersion: 3 }]);
    world.passTo(START + 1_000);
    hand.say({ want: 1 });
    hand.say({ outcomes: hand.tasks.map((task) => succeeded(world, task)) });
    expect(taskAt(world, seq as Seq)?.attempts).toMatchObject([{ handlerVersion: 3 }, { handlerVersion: 3 }]);
  });

  it("278 of a task that repeats another says which", () => {
    const world = makeWorld();
    const [now, later] = accept(
      world,
      { options: '{"replayOf":"default.0.x"}' },
      { options: '{"replayOf":"default.0.y"}', runAt: START + 5 },
    );
    world.passTo(START + 5);
    const firsts = [now, later].map((seq) => {
      const task = taskAt(world, seq as Seq);
      return task && timelineOf(task).moves[0];
    });
    expect(firsts).toEqual([
      ["QUEUED", START, "submitted, to repeat default.0.x"],
      ["SCHEDULED", START, "submitted, to repeat default.0.y", START + 5],
    ]);
  });

  it("says when it is not whole: the first move and the latest are kept", () => {
    const world = makeWorld();
    const seq = only(world, { runAt: START + 1 });
    for (let i = 0; i < 70; i++) change(world.shard, { v: 1, seq, rev: null, changes: { runAt: START + 1_000 + i } });
    const task = taskAt(world, seq);
    expect(task?.moves).toHaveLength(MAX_MOVES);
    expect(task && timelineOf(task)).toMatchObject({ isComplete: false });
    expect([task?.moves[0], task?.moves.at(-1)]).toEqual([
      ["SCHEDULED", START, "submitted", START + 1],
      ["SCHEDULED", START, "changed: runAt", START + 1_069],
    ]);
    // It never was due: what said so in between was not kept.
    world.passTo(START + 500);
    expect(way(world, seq).map(([status]) => status)).not.toContain("QUEUED");
  });
});
