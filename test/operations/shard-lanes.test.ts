/** The order of a shard's tasks, by whatever way they come to wait, and which slot each may take. */
import { describe, expect, it } from "vitest";
import { WINDOW } from "../../core/lane-window.ts";
import { makeWorld } from "../support/node/shard-world.ts";
import { accept, failed, many, nth, succeeded, taskAt, WorkerHand } from "../support/node/worker-hand.ts";

const seqsOf = (hand: WorkerHand) => hand.tasks.map(({ seq }) => seq);

describe("the order of tasks", () => {
  it("117 the most urgent goes first, whatever waited before it came", () => {
    const world = makeWorld({ slots: 1 });
    const low = accept(world, ...many(1_000, { priority: 2 }));
    const [critical] = accept(world, { priority: 9, type: "sleep" });
    const hand = new WorkerHand(world);
    expect(seqsOf(hand)).toEqual([critical]);
    const outcomes = hand.tasks.map((task) => succeeded(world, task));
    expect(hand.say({ outcomes, want: 1 }).tasks).toMatchObject([{ seq: low[0] }]);
  });

  it("118 within a priority the oldest goes first, whatever its type", () => {
    const world = makeWorld({ slots: 64 });
    const seqs = accept(world, {}, { type: "sleep" }, {}, { type: "sleep" }, { type: "sleep" }, {});
    expect(seqsOf(new WorkerHand(world))).toEqual(seqs);
  });

  it("118 more than memory's window holds come out in order, and what comes meanwhile goes last", () => {
    const world = makeWorld({ slots: 64 });
    const seqs = accept(world, ...many(3 * WINDOW));
    const hand = new WorkerHand(world);
    const order = seqsOf(hand);
    for (let round = 0; round < 10; round++) {
      seqs.push(...accept(world, {}, {}));
      const outcomes = hand.tasks.map((task) => succeeded(world, task));
      order.push(...hand.say({ outcomes, want: 64 }).tasks.map(({ seq }) => seq));
    }
    expect(order).toEqual(seqs);
  });

  it("118 what comes back has its old place, also behind a window that was read long ago", () => {
    const world = makeWorld({ slots: 4 });
    const seqs = accept(world, ...many(2 * WINDOW));
    const hand = new WorkerHand(world);
    const [first, third] = [nth(hand.tasks, 0), nth(hand.tasks, 2)];
    hand.say({ outcomes: [succeeded(world, first), failed(world, third)] });
    world.passTo(world.now + 1_000);
    expect(hand.say({ want: 2 }).tasks.map(({ seq }) => seq)).toEqual([third.seq, seqs[4]]);
    hand.close();
    expect(seqsOf(new WorkerHand(world))).toEqual(seqs.slice(1, 5));
  });

  it("118 a task that was put off has the place of its id when it is due", () => {
    const world = makeWorld({ slots: 2 });
    const seqs = accept(world, { runAt: world.now + 1_000 }, {});
    expect(taskAt(world, nth(seqs, 0))).toMatchObject({ status: "SCHEDULED" });
    world.passTo(world.now + 1_000);
    expect(seqsOf(new WorkerHand(world))).toEqual(seqs);
  });
});

describe("slots", () => {
  it("127 a task beyond the free slots is not begun until the session says so", () => {
    const world = makeWorld({ slots: 2 });
    accept(world, ...many(10));
    const hand = new WorkerHand(world, { want: 1 });
    const handed = hand.say({ want: 3 }).tasks;
    expect(handed.map(({ started }) => started)).toEqual([true, false, false]);
    const ahead = nth(handed, 1);
    expect(taskAt(world, ahead.seq)).toMatchObject({ status: "RUNNING", attempts: [] });
    hand.say({ started: [ahead.seq] });
    expect(taskAt(world, ahead.seq)).toMatchObject({ attempts: [{ attempt: 1, outcome: null }] });
  });

  it("130 a task whose claim was lost waits for a free slot; others are handed out ahead of it", () => {
    const world = makeWorld({ slots: 1 });
    const seqs = accept(world, ...many(4));
    const [lost, next] = [nth(seqs, 1), nth(seqs, 2)];
    const hand = new WorkerHand(world);
    hand.say({ want: 1 });
    hand.held.delete(lost);
    expect(hand.say({ want: 1 }).tasks.map(({ seq }) => seq)).toEqual([next]);
    expect(taskAt(world, lost)).toMatchObject({ status: "QUEUED", attempts: [] });
    const outcomes = hand.tasks.map((task) => succeeded(world, task));
    expect(hand.say({ outcomes, want: 1 }).tasks).toMatchObject([{ seq: lost, attempt: 1, started: true }]);
  });

  it("148 a task that is to run at most once is never handed out ahead of the slots", () => {
    const world = makeWorld({ slots: 1 });
    const options = JSON.stringify({ onCrash: "fail" });
    const [, once, next] = accept(world, {}, { options }, {});
    const hand = new WorkerHand(world);
    expect(hand.say({ want: 1 }).tasks.map(({ seq }) => seq)).toEqual([next]);
    const outcomes = hand.tasks.map((task) => succeeded(world, task));
    expect(hand.say({ outcomes, want: 1 }).tasks).toMatchObject([{ seq: once, started: true }]);
  });
});
