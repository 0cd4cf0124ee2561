/** A task that waits is changed in place: its lane, its time, its payload; and nothing else is. */
import { describe, expect, it } from "vitest";
import type { Seq } from "../../core/ids.ts";
import type { TaskChanges } from "../../core/schema/rpc.ts";
import { loadMemory } from "../../durable-objects/queue-shard/load-memory.ts";
import { cancel } from "../../durable-objects/queue-shard/waiting/cancel.ts";
import { change } from "../../durable-objects/queue-shard/waiting/change.ts";
import { makeWorld, type ShardWorld } from "../support/node/shard-world.ts";
import { accept, failed, many, nth, succeeded, taskAt, WorkerHand } from "../support/node/worker-hand.ts";

function changed(world: ShardWorld, seq: Seq, changes: TaskChanges, rev: number | null = null) {
  const answer = change(world.shard, { v: 1, seq, rev, changes });
  return answer.ok ? answer.task : answer.code;
}

function only(world: ShardWorld, more: object = {}): Seq {
  return nth(accept(world, more), 0);
}

/** In the order in which they are handed out. */
function order(world: ShardWorld): Seq[] {
  const hand = new WorkerHand(world);
  return [...hand.tasks, ...hand.say({ want: 1_000 }).tasks].map(({ seq }) => seq);
}

describe("221 a change", () => {
  it("of the priority moves the task before those below it, at the place of its id", () => {
    const world = makeWorld();
    const seqs = accept(world, ...many(200), ...many(5, { priority: 7 }));
    const late = nth(seqs, 150);
    expect(changed(world, late, { priority: 7 })).toMatchObject({ priority: 7, status: "QUEUED", rev: 2 });
    const high = seqs.slice(200);
    expect(order(world)).toEqual([late, ...high, ...seqs.slice(0, 200).filter((seq) => seq !== late)]);
  });

  it("of the payload is what the handler gets, in the version that it was checked by", () => {
    const world = makeWorld();
    const seq = only(world);
    changed(world, seq, { payload: { text: '{"n":2}', version: 1 } });
    expect(nth(new WorkerHand(world).tasks, 0)).toMatchObject({ payload: '{"n":2}', version: 1, attempt: 1 });
  });

  it("of the time puts it off, further, nearer, and not any more", () => {
    const world = makeWorld();
    const seq = only(world);
    const at = world.now;
    expect(changed(world, seq, { runAt: at + 50_000 })).toMatchObject({ status: "SCHEDULED", runAt: at + 50_000 });
    expect(changed(world, seq, { runAt: at + 20_000 })).toMatchObject({ status: "SCHEDULED", runAt: at + 20_000 });
    expect(world.shard.memory.due).toEqual({ count: 1, next: at + 20_000 });
    expect(world.shard.memory.lanes.queued).toBe(0);
    world.passTo(at + 20_000);
    expect(taskAt(world, seq)).toMatchObject({ status: "QUEUED" });
    changed(world, seq, { runAt: at + 90_000 });
    expect(changed(world, seq, { runAt: at })).toMatchObject({ status: "QUEUED", runAt: world.now });
    expect(order(world)).toEqual([seq]);
  });

  it("of the time of one that is to be tried again leaves it RETRYING, with its attempts", () => {
    const world = makeWorld();
    const seq = only(world);
    const hand = new WorkerHand(world);
    hand.say({ outcomes: hand.tasks.map((task) => failed(world, task)) });
    const at = world.now + 30_000;
    expect(changed(world, seq, { runAt: at })).toMatchObject({ status: "RETRYING", runAt: at, attempts: [{}] });
    expect(changed(world, seq, { runAt: null })).toMatchObject({ status: "QUEUED", attempts: [{}] });
    expect(hand.say({ want: 1 }).tasks).toMatchObject([{ attempt: 2 }]);
  });

  it("stands in the timeline, and memory is what a fresh start reads", () => {
    const world = makeWorld();
    const [seq] = accept(world, ...many(10));
    if (seq === undefined) throw new Error("not accepted");
    changed(world, seq, { priority: 1, runAt: world.now + 5_000 });
    changed(world, seq, { priority: 2 });
    changed(world, seq, { runAt: null });
    expect(taskAt(world, seq)?.moves.map(([status, , cause]) => [status, cause])).toEqual([
      ["SCHEDULED", "changed: priority, runAt"],
      ["SCHEDULED", "changed: priority"],
      ["QUEUED", "asked to run now"],
    ]);
    const { lanes, due } = loadMemory(world.shard.sql, null);
    expect([world.shard.memory.lanes.queued, world.shard.memory.due]).toEqual([lanes.queued, due]);
  });

  it("is told by what was changed, whatever came with it", () => {
    const world = makeWorld();
    const payload = { text: "2", version: 1 };
    const later = only(world, { runAt: world.now + 60_000 });
    changed(world, later, { priority: 9, payload, runAt: null });
    const ready = only(world);
    changed(world, ready, { priority: 9, payload, runAt: null });
    changed(world, ready, { priority: 9, runAt: world.now + 5_000 });
    const causes = [later, ready].map((seq) => taskAt(world, seq)?.moves.map(([, , cause]) => cause));
    expect(causes).toEqual([
      ["submitted", "asked to run now; changed: priority, payload"],
      ["changed: priority, payload", "changed: runAt"],
    ]);
  });

  it("to what the task is already changes nothing, be it put off or ready", () => {
    const world = makeWorld();
    const payload = { text: '{"b":1,"a":[1]}', version: 1 };
    const seq = only(world, { payload: '{"a":[1],"b":1}', priority: 3, runAt: world.now + 60_000 });
    const same = { priority: 3, payload, runAt: world.now + 60_000 };
    expect(changed(world, seq, same, 1)).toMatchObject({ rev: 1, moves: [], payload: '{"a":[1],"b":1}' });
    expect(changed(world, only(world), { priority: 5, runAt: world.now })).toMatchObject({ rev: 1, moves: [] });
    expect(changed(world, seq, { payload: { ...payload, version: 2 } })).toMatchObject({ rev: 2, version: 2 });
    expect(changed(world, seq, { ...same, priority: 4 }, 2)).toMatchObject({ rev: 3, priority: 4 });
  });

  it("to a time at which it has expired is refused", () => {
    const world = makeWorld();
    const seq = only(world, { expiresAt: world.now + 10_000 });
    expect(changed(world, seq, { runAt: world.now + 10_000 })).toBe("invalid-request");
    expect(taskAt(world, seq)).toMatchObject({ status: "QUEUED", rev: 1 });
  });
});

describe("222 a change with a revision", () => {
  it("is made where that is the task's, and refused where it is not, whatever its status", () => {
    const world = makeWorld();
    const seq = only(world);
    expect(changed(world, seq, { priority: 1 }, 2)).toBe("rev-mismatch");
    expect(changed(world, seq, { priority: 1 }, 1)).toMatchObject({ rev: 2 });
    expect(changed(world, seq, { priority: 2 }, 1)).toBe("rev-mismatch");
    new WorkerHand(world);
    expect([changed(world, seq, { priority: 3 }, 2), changed(world, seq, { priority: 3 }, 3)]).toEqual([
      "rev-mismatch",
      "task-running",
    ]);
    expect(taskAt(world, seq)).toMatchObject({ priority: 1, status: "RUNNING", rev: 3 });
  });
});

describe("223 run-now", () => {
  it("hands a task that is put off to a session that waits, and leaves one that is ready as it is", () => {
    const world = makeWorld();
    const hold = only(world);
    const hand = new WorkerHand(world);
    const seq = only(world, { runAt: world.now + 3_600_000 });
    expect(hand.ask({ want: 1, waitMs: 10_000 })).toBeNull();
    changed(world, seq, { runAt: null });
    expect(world.late).toMatchObject([{ handout: { tasks: [{ seq }] } }]);
    const ready = only(world);
    expect(changed(world, ready, { runAt: null })).toMatchObject({ status: "QUEUED", rev: 1, moves: [] });
    expect(changed(world, hold, { runAt: null })).toBe("task-running");
  });

  it("of one that has ended gives it as it ended, and of one that is not here nothing", () => {
    const world = makeWorld();
    const [seq, gone] = accept(world, {}, {});
    if (seq === undefined || gone === undefined) throw new Error("not accepted");
    cancel(world.shard, { v: 1, seq: gone });
    const hand = new WorkerHand(world);
    hand.say({ outcomes: hand.tasks.map((task) => succeeded(world, task)) });
    expect(changed(world, seq, { runAt: null })).toMatchObject({ status: "SUCCEEDED" });
    expect(changed(world, gone, { runAt: null })).toMatchObject({ status: "CANCELLED" });
    expect(changed(world, (gone + 1) as Seq, { runAt: null })).toBeNull();
  });
});
