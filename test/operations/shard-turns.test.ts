/** Turns and their answers: the same again, an older one, what was lost on the way, and the end of a session. */
import { describe, expect, it } from "vitest";
import { makeWorld } from "../support/node/shard-world.ts";
import { accept, failed, handoutOf, many, nth, succeeded, taskAt, WorkerHand } from "../support/node/worker-hand.ts";

describe("the same turn again", () => {
  it("128 has its stored answer, and nothing is applied twice: also by an object that lost its memory", () => {
    const world = makeWorld({ slots: 2 });
    accept(world, ...many(6));
    const hand = new WorkerHand(world);
    const first = nth(hand.tasks, 0);
    const foreign = { ...succeeded(world, first), seq: nth(hand.tasks, 1).seq, attempt: 9 };
    const request = { outcomes: [succeeded(world, first), foreign], holding: [nth(hand.tasks, 1).seq], want: 1 };
    const told = hand.say(request);
    expect(told).toMatchObject({ tasks: [{ started: true }], lost: [foreign.seq] });
    const again = { session: hand.session, turn: hand.turn, ...request };
    expect(handoutOf(world.advance(again))).toEqual(told);
    world.evict();
    expect(handoutOf(world.advance(again))).toEqual(told);
    expect(taskAt(world, first.seq)).toMatchObject({ status: "SUCCEEDED", attempts: [{ attempt: 1 }] });
    expect(world.shard.memory.running).toBe(2);
  });

  it("128 renews the lease", () => {
    const world = makeWorld({ timeoutMs: 600_000 });
    accept(world, {});
    const hand = new WorkerHand(world);
    hand.say();
    for (let i = 0; i < 4; i++) {
      world.passTo(world.now + 30_000);
      world.advance({ session: hand.session, turn: hand.turn, holding: [nth(hand.tasks, 0).seq] });
    }
    expect(taskAt(world, nth(hand.tasks, 0).seq)?.status).toBe("RUNNING");
  });

  it("129 is served what came since it was first asked", () => {
    const world = makeWorld();
    accept(world, {});
    const hand = new WorkerHand(world);
    const outcomes = hand.tasks.map((task) => succeeded(world, task));
    expect(hand.say({ outcomes, want: 6 }).tasks).toEqual([]);
    accept(world, {});
    expect(world.advance({ session: hand.session, turn: 1, outcomes, want: 6, waitMs: 15_000 })).toMatchObject({
      ok: true,
      handout: { tasks: [{ started: true }] },
    });
  });
});

describe("an older turn", () => {
  it("128 is refused and changes nothing", () => {
    const world = makeWorld();
    accept(world, ...many(2));
    const hand = new WorkerHand(world);
    hand.say();
    hand.say();
    const outcomes = hand.tasks.map((task) => succeeded(world, task));
    const answer = world.advance({ session: hand.session, turn: 1, outcomes });
    expect(answer).toMatchObject({ ok: false, code: "stale-turn" });
    expect(world.shard.memory.running).toBe(2);
  });
});

describe("what was lost on the way", () => {
  it("130 a claim of an answered turn that is not held goes back; one whose turn is still open stays", () => {
    const world = makeWorld({ slots: 6 });
    const seqs = accept(world, ...many(3));
    const hand = new WorkerHand(world, { want: 1 });
    hand.say({ want: 1, holding: [nth(seqs, 0)] });
    hand.say({ want: 1, holding: [nth(seqs, 0)], answered: 0 });
    expect(seqs.map((seq) => taskAt(world, seq)?.status)).toEqual(["RUNNING", "RUNNING", "RUNNING"]);
    hand.say({ holding: [nth(seqs, 0)], answered: 2 });
    expect(seqs.map((seq) => taskAt(world, seq)?.status)).toEqual(["RUNNING", "QUEUED", "QUEUED"]);
    expect(taskAt(world, nth(seqs, 2))).toMatchObject({ attempts: [], crashes: 0 });
  });

  it("131 an outcome of an earlier claim of the same attempt does not count", () => {
    const world = makeWorld({ slots: 1 });
    accept(world, ...many(2));
    const hand = new WorkerHand(world);
    const ahead = nth(hand.say({ want: 1 }).tasks, 0);
    const times = { startedAt: world.now, endedAt: world.now };
    const returned = { kind: "returned", hasBegun: false, seq: ahead.seq, attempt: 1, turn: 1, ...times } as const;
    const again = nth(hand.say({ outcomes: [returned], want: 1 }).tasks, 0);
    expect(again).toMatchObject({ seq: ahead.seq, attempt: 1 });
    const late = hand.say({ outcomes: [returned], holding: hand.tasks.map(({ seq }) => seq).concat(ahead.seq) });
    expect(late.lost).toEqual([ahead.seq]);
    expect(taskAt(world, ahead.seq)?.status).toBe("RUNNING");
  });

  it("130 an opening that got no answer is given again to the worker that asks for the same stay", () => {
    const world = makeWorld();
    accept(world, ...many(2));
    const worker = { name: "w", kind: "consumer", types: { echo: 1 }, boot: null, stay: "s-1" } as const;
    const lost = new WorkerHand(world, { worker });
    const found = new WorkerHand(world, { worker });
    expect([found.session, found.tasks]).toEqual([lost.session, lost.tasks]);
    expect(world.shard.memory.sessions.size).toBe(1);
  });
});

describe("a session that closes", () => {
  it("133 tells its last outcomes; what crossed its close is QUEUED again and never began", () => {
    const world = makeWorld({ slots: 2 });
    const options = JSON.stringify({ onCrash: "fail" });
    const seqs = accept(world, {}, { options });
    const hand = new WorkerHand(world);
    expect(hand.close([succeeded(world, nth(hand.tasks, 0))])).toMatchObject({ ok: true, lost: [] });
    expect(taskAt(world, nth(seqs, 0))?.status).toBe("SUCCEEDED");
    expect(taskAt(world, nth(seqs, 1))).toMatchObject({ status: "QUEUED", attempts: [] });
    expect(hand.close()).toMatchObject({ ok: false, code: "session-unknown" });
    expect(hand.ask()).toMatchObject({ ok: false, code: "session-unknown" });
  });

  it("133 after sessionMaxTasks tasks, or 175 s, it gets nothing more and is told to finish", () => {
    const world = makeWorld({ slots: 2, sessionMaxTasks: 3 });
    accept(world, ...many(9));
    const hand = new WorkerHand(world);
    const outcomes = hand.tasks.map((task) => succeeded(world, task));
    expect(hand.say({ outcomes, want: 2 })).toMatchObject({ tasks: [{}], stop: "finish" });
    expect(hand.say({ want: 2 })).toMatchObject({ tasks: [], stop: "finish" });

    const old = new WorkerHand(world, { want: 1 });
    for (let i = 0; i < 6; i++) {
      world.passTo(world.now + 30_000);
      old.say();
    }
    const last = old.say({ outcomes: old.tasks.map((task) => failed(world, task, false)), want: 2 });
    expect(last).toMatchObject({ tasks: [], stop: "finish" });
  });
});
