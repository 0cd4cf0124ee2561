/** A shard's tasks that are replaced while they wait: the same id, and what was told last. */
import { describe, expect, it } from "vitest";
import type { Dedup, NewTask, SubmitAnswer } from "../../core/schema/rpc.ts";
import { submit } from "../../durable-objects/queue-shard/submit/submit.ts";
import { makeWorld } from "../support/node/shard-world.ts";
import { accept, failed, many, nth, succeeded, taskAt, WorkerHand } from "../support/node/worker-hand.ts";

const PLAIN = { type: "echo", version: 1, priority: 5, payload: "{}", runAt: null, options: null };

function keyed(payload: unknown, more: Partial<NewTask> = {}, dedup: Partial<Dedup> = {}): Partial<NewTask> {
  const key: Dedup = { key: "k", ttlMs: 60_000, within: "queued", onConflict: "replace", ...dedup };
  return { payload: JSON.stringify(payload), dedup: key, ...more };
}

describe("208 replace", () => {
  it("changes payload, priority, options and version of a task that waits; its id, age and place stay", () => {
    const world = makeWorld();
    const createdAt = world.now;
    accept(world, ...many(3, { priority: 9 }));
    const seq = nth(accept(world, keyed(1)), 0);
    const between = accept(world, {}, { priority: 9 });
    world.passTo(world.now + 5);
    const options = JSON.stringify({ tags: ["b"] });
    const answer = world.submit([keyed(2, { priority: 9, options, version: 1 })]);
    expect(answer).toMatchObject({ duplicates: [0], known: [{ index: 0, status: "QUEUED", replaced: true }] });
    expect(taskAt(world, seq)).toMatchObject({
      status: "QUEUED",
      payload: "2",
      priority: 9,
      tags: ["b"],
      rev: 2,
      createdAt,
      moves: [["QUEUED", world.now, "replaced"]],
    });
    world.evict();
    const order = new WorkerHand(world, { want: 6 }).tasks.map((task) => task.seq);
    expect(order.slice(3)).toEqual([seq, between[1], between[0]]);
  });

  it("241 changes its fairnessKey and its limitKey, and it counts against these", () => {
    const world = makeWorld({ slots: 9, keyLimits: { concurrency: 1 } });
    const seq = nth(accept(world, keyed(1, { limitKey: "a", fairnessKey: "f" })), 0);
    const [busy, other] = accept(world, { limitKey: "b", priority: 9 }, { limitKey: "a" });
    accept(world, keyed(2, { limitKey: "b", fairnessKey: "g" }));
    expect(taskAt(world, seq)?.links).toEqual({ limitKey: "b", fairnessKey: "g" });
    for (const evicts of [false, true]) {
      if (evicts) world.evict();
      expect(world.shard.memory.lanes.queued).toBe(3);
    }
    const hand = new WorkerHand(world);
    expect(hand.tasks.map((task) => task.seq)).toEqual([busy, other]);
    const [first] = hand.tasks;
    if (first) expect(hand.say({ outcomes: [succeeded(world, first)], want: 1 }).tasks).toMatchObject([{ seq }]);
  });

  it("a later time puts it off, an earlier one or none brings it forward", () => {
    const world = makeWorld();
    const later = world.now + 60_000;
    const seq = nth(accept(world, keyed(1)), 0);
    accept(world, keyed(2, { runAt: later }));
    expect(taskAt(world, seq)).toMatchObject({ status: "SCHEDULED", runAt: later });
    expect(world.shard.memory.lanes.queued).toBe(0);
    accept(world, keyed(3, { runAt: later + 60_000 }));
    world.passTo(later);
    expect(world.shard.memory.due).toEqual({ count: 1, next: later + 60_000 });
    accept(world, keyed(4));
    expect(world.shard.memory.due).toEqual({ count: 0, next: null });
    expect(new WorkerHand(world).tasks.map(({ payload }) => payload)).toEqual(["4"]);
  });

  it("what waits for another attempt goes on waiting for it, with the new payload and what it has spent", () => {
    const world = makeWorld({ retry: { maxAttempts: 2, baseMs: 10_000 } });
    const running = { within: "running" } as const;
    const seq = nth(accept(world, keyed(1, {}, running)), 0);
    const hand = new WorkerHand(world);
    hand.say({ outcomes: hand.tasks.map((task) => failed(world, task)) });
    const due = world.now + 10_000;
    accept(world, keyed(2, {}, running));
    accept(world, keyed(3, { runAt: world.now + 1_000 }, running));
    expect(taskAt(world, seq)).toMatchObject({ status: "RETRYING", runAt: due, payload: "3" });
    world.passTo(due);
    hand.say({ want: 1 });
    expect(hand.tasks).toMatchObject([{ seq, payload: "3", attempt: 2 }]);
    hand.close(hand.tasks.map((task) => failed(world, task)));
    expect(taskAt(world, seq)).toMatchObject({ status: "FAILED" });
  });

  it("what waits for another attempt waits for its new time, where that is later", () => {
    const world = makeWorld({ retry: { maxAttempts: 2, baseMs: 10_000 } });
    const running = { within: "running" } as const;
    const seq = nth(accept(world, keyed(1, {}, running)), 0);
    const hand = new WorkerHand(world);
    hand.close(hand.tasks.map((task) => failed(world, task)));
    const runAt = world.now + 60_000;
    accept(world, keyed(2, { runAt }, running));
    expect(taskAt(world, seq)).toMatchObject({ status: "RETRYING", runAt });
  });

  it("149 one that runs alone because it crashed in company does so with its new payload too", () => {
    const world = makeWorld();
    const running = { within: "running" } as const;
    const seq = nth(accept(world, keyed(1, {}, running)), 0);
    for (let crash = 0; crash < 2; crash++) {
      expect(new WorkerHand(world).tasks).toMatchObject([{ seq }]);
      world.passTo(world.now + 120_000);
    }
    accept(world, keyed(2, {}, running));
    expect(world.open()).toMatchObject({ session: null });
    expect(new WorkerHand(world, { solo: true }).tasks).toMatchObject([{ seq, payload: "2" }]);
  });

  it("of several in one batch the last one counts, also for one that the batch itself makes", () => {
    const world = makeWorld();
    const answer = world.submit([keyed(1), keyed(2), {}, keyed(3, { runAt: world.now + 1_000 })]);
    if (!answer.ok) throw new Error(answer.code);
    expect(answer.duplicates).toEqual([1, 3]);
    expect(answer.known).toMatchObject([{ status: "QUEUED" }, { status: "SCHEDULED" }]);
    const accepted = answer.seqs.filter((seq) => seq !== null);
    expect(new Set(accepted).size).toBe(2);
    expect(taskAt(world, nth(accepted, 0))).toMatchObject({ status: "SCHEDULED", payload: "3" });
  });

  it("a batch that is refused has replaced nothing", () => {
    const world = makeWorld({ depthLimit: 3 });
    const seq = nth(accept(world, keyed(1)), 0);
    const own = keyed(8, {}, { key: "own" });
    const blocked = { ...keyed(9, {}, { key: "other", onConflict: "reject" }) };
    accept(world, blocked);
    expect(world.submit([keyed(2), own, keyed(3), own, blocked])).toMatchObject({ ok: false, code: "duplicate-task" });
    expect(taskAt(world, seq)).toMatchObject({ payload: "1", rev: 1 });
    expect(world.submit([own])).toMatchObject({ ok: true, duplicates: [] });
    expect(world.shard.memory.lanes.queued).toBe(3);
    // And a queue that is full may still be told anew of what it has.
    expect(world.submit([keyed(4)])).toMatchObject({ ok: true, duplicates: [0] });
    expect(taskAt(world, seq)).toMatchObject({ payload: "4", rev: 2 });
  });

  it("111 a batch of the same turn that is refused takes back its own alone", () => {
    const world = makeWorld();
    const seq = nth(accept(world, keyed(1)), 0);
    const blocked = keyed(9, {}, { key: "other", onConflict: "reject" });
    const later = keyed(3, { runAt: world.now + 60_000 });
    const answers: SubmitAnswer[] = [];
    // The first is written at once; the others go in together.
    for (const told of [[blocked], [keyed(2)], [later, blocked], [keyed(4, {}, { onConflict: "return" })]]) {
      const tasks = told.map((task) => ({ ...PLAIN, ...task }));
      submit(world.shard, { v: 1, settingsVersion: 1, atomic: true, tasks }, (answer) => answers.push(answer));
    }
    world.passTo(world.now);
    expect(answers).toMatchObject([{ ok: true }, { ok: true }, { code: "duplicate-task" }, { ok: true }]);
    expect(answers[3]).toMatchObject({ seqs: [seq], known: [{ status: "QUEUED" }] });
    expect(taskAt(world, seq)).toMatchObject({ status: "QUEUED", payload: "2", rev: 2 });
  });

  it("is 409 where the task has begun or ended, while the key is its own", () => {
    const world = makeWorld();
    for (const within of ["running", "window"] as const) {
      const dedup = { key: within, within };
      accept(world, keyed(1, {}, dedup));
      const hand = new WorkerHand(world);
      expect(world.submit([keyed(2, {}, dedup)])).toMatchObject({ ok: false, code: "duplicate-task" });
      hand.close(hand.tasks.map((task) => succeeded(world, task)));
      const after = world.submit([keyed(3, {}, dedup)]);
      expect(after).toMatchObject(within === "window" ? { code: "duplicate-task" } : { ok: true, duplicates: [] });
    }
  });

  it("157 is refused where its new lane would be one too many, and the task stays as it was", () => {
    const world = makeWorld({ depthLimit: 20_000 });
    const seq = nth(accept(world, keyed(1)), 0);
    const kinds = Array.from({ length: 9_999 }, (_, i) => ({ type: "echo", limitKey: `l${i}` }));
    for (let at = 0; at < kinds.length; at += 1_000) accept(world, ...kinds.slice(at, at + 1_000));
    expect(world.submit([keyed(2, { limitKey: "one more" })])).toMatchObject({ ok: false, code: "too-many-keys" });
    expect(taskAt(world, seq)).toMatchObject({ payload: "1", rev: 1 });
    expect(world.submit([keyed(3)])).toMatchObject({ ok: true });
  });
});
