/** Why a task waits at a shard: each thing that holds it back, and when it may start. */
import { describe, expect, it } from "vitest";
import type { WaitingExplanation } from "../../core/explain.ts";
import type { Seq } from "../../core/ids.ts";
import { iso } from "../../core/task.ts";
import { configure } from "../../durable-objects/queue-shard/configure.ts";
import { explain } from "../../durable-objects/queue-shard/reads/explain.ts";
import { makeWorld, type ShardWorld, START } from "../support/node/shard-world.ts";
import { accept, failed, many, nth, WorkerHand } from "../support/node/worker-hand.ts";

function waiting(world: ShardWorld, seq: Seq | undefined): WaitingExplanation {
  const answer = explain(world.shard, { v: 1, seq: seq ?? (0 as Seq) });
  if (answer.ok && answer.explanation !== null && "reasons" in answer.explanation) return answer.explanation;
  throw new Error(`${seq} does not wait: ${JSON.stringify(answer)}`);
}
const codesOf = (world: ShardWorld, seq: Seq | undefined) => waiting(world, seq).reasons.map(({ code }) => code);

function pause(world: ShardWorld, paused: boolean): void {
  const { settings } = world.shard.memory;
  if (settings) configure(world.shard, { v: 1, settings: { ...settings, paused, version: settings.version + 1 } });
}

describe("276 a task that waits", () => {
  it("is held back by nothing: a worker was called, or is here", () => {
    const world = makeWorld();
    const [one, two] = accept(world, ...many(2));
    const called = { code: "awaits-worker", tickets: 1, calledAt: iso(START), unheeded: 0 };
    expect(waiting(world, one)).toMatchObject({ earliestStart: "now", decidedBy: null, reasons: [called] });
    expect(waiting(world, two)).toMatchObject({ earliestStart: "now", reasons: [called, { code: "ahead", count: 1 }] });
    new WorkerHand(world, { want: 0 });
    expect(waiting(world, one)).toMatchObject({ earliestStart: "now", reasons: [] });
  });

  it("has called workers since the first of the calls that are open", () => {
    const world = makeWorld();
    const [one] = accept(world, {});
    world.now += 1_000;
    accept(world, ...many(10));
    expect(waiting(world, one)).toMatchObject({
      reasons: [{ code: "awaits-worker", tickets: 2, calledAt: iso(START) }],
    });
  });

  it("has called workers that did not come", () => {
    const world = makeWorld();
    const [one] = accept(world, {});
    world.passTo(START + 2_500);
    expect(waiting(world, one)).toMatchObject({
      earliestStart: null,
      decidedBy: "awaits-worker",
      reasons: [{ code: "awaits-worker", unheeded: 1, calledAt: iso(START + 2_000) }],
    });
  });

  it("is put off, expires, and is paused besides", () => {
    const world = makeWorld();
    const at = START + 60_000;
    const [one, late] = accept(world, { runAt: at, expiresAt: at + 1_000 }, { runAt: at, expiresAt: at });
    expect(waiting(world, one)).toMatchObject({
      earliestStart: iso(at),
      decidedBy: "scheduled",
      reasons: [
        { code: "scheduled", until: iso(at) },
        { code: "expires", at: iso(at + 1_000) },
      ],
    });
    expect(waiting(world, late)).toMatchObject({ earliestStart: null, decidedBy: "expires" });
    pause(world, true);
    expect(waiting(world, one)).toMatchObject({ earliestStart: null, decidedBy: "paused" });
    expect(codesOf(world, one)).toEqual(["paused", "scheduled", "expires"]);
    expect(waiting(world, one).summary).toContain("POST /queues/q/resume");
    world.shard.draining = true;
    expect(codesOf(world, one)).toEqual(["paused", "stopping", "scheduled", "expires"]);
  });

  it("waits for its next attempt, and says after what", () => {
    const world = makeWorld();
    const [one] = accept(world, {});
    const hand = new WorkerHand(world);
    hand.say({ outcomes: [failed(world, nth(hand.tasks, 0))] });
    const until = iso(START + 1_000);
    expect(waiting(world, one)).toMatchObject({
      earliestStart: until,
      decidedBy: "retrying",
      reasons: [{ code: "retrying", until, attemptsSpent: 1, crashes: 0, error: { code: "handler-error" } }],
    });
  });

  it("waits for the queue's, its type's, its key's concurrency, with those that go first", () => {
    const world = makeWorld({ slots: 64, typeLimits: { sleep: { concurrency: 1 } }, keyLimits: { concurrency: 2 } });
    const limitKey = "acme";
    const seqs = accept(world, ...many(4, { limitKey }), ...many(3, { type: "sleep" }));
    expect(waiting(world, seqs[1])).toMatchObject({ earliestStart: "now" });
    expect(waiting(world, seqs[3])).toMatchObject({
      earliestStart: null,
      decidedBy: "key-concurrency",
      reasons: [
        { code: "key-concurrency", limitKey, running: 0, limit: 2 },
        { code: "ahead", count: 3, older: 3, among: "limitKey" },
      ],
    });
    const hand = new WorkerHand(world);
    expect(hand.tasks).toHaveLength(3);
    expect(waiting(world, seqs[3])).toMatchObject({
      reasons: [
        { code: "key-concurrency", running: 2 },
        { code: "ahead", count: 1 },
      ],
    });
    expect(waiting(world, seqs[6])).toMatchObject({
      decidedBy: "type-concurrency",
      reasons: [
        { code: "type-concurrency", type: "sleep", running: 1, limit: 1 },
        { code: "ahead", count: 1, among: "type" },
      ],
    });
    const { settings } = world.shard.memory;
    if (settings) configure(world.shard, { v: 1, settings: { ...settings, concurrency: 3, version: 9 } });
    expect(codesOf(world, seqs[2])).toEqual(["queue-concurrency", "key-concurrency"]);
    const [free] = accept(world, {});
    expect(waiting(world, free).reasons).toMatchObject([{ code: "queue-concurrency", running: 3, limit: 3 }]);
  });

  it("waits for a token of the queue's, its type's, its key's rate: its own, with those that go first", () => {
    const rate = { limit: 1, periodMs: 10_000, burst: 1 };
    const keyLimits = { rate: { ...rate, periodMs: 30_000 } };
    const world = makeWorld({ slots: 64, typeLimits: { sleep: { rate } }, keyLimits });
    const seqs = accept(world, ...many(4, { type: "sleep" }), ...many(2, { limitKey: "a" }));
    new WorkerHand(world);
    expect(waiting(world, seqs[1])).toMatchObject({
      earliestStart: iso(START + 10_000),
      decidedBy: "type-rate",
      reasons: [{ code: "type-rate", ...rate, type: "sleep", nextTokenAt: iso(START + 10_000) }],
    });
    expect(waiting(world, seqs[3])).toMatchObject({
      earliestStart: iso(START + 30_000),
      reasons: [
        { nextTokenAt: iso(START + 10_000), ownTokenAt: iso(START + 30_000) },
        { code: "ahead", count: 2 },
      ],
    });
    expect(waiting(world, seqs[5])).toMatchObject({
      earliestStart: iso(START + 30_000),
      reasons: [{ code: "key-rate", limitKey: "a" }],
    });
    const { settings } = world.shard.memory;
    if (settings) configure(world.shard, { v: 1, settings: { ...settings, rate, version: 9 } });
    const [free, next] = accept(world, ...many(2, { priority: 9 }));
    expect(waiting(world, free)).toMatchObject({ earliestStart: "now" });
    expect(waiting(world, next)).toMatchObject({ earliestStart: iso(START + 10_000), decidedBy: "queue-rate" });
  });

  it("really starts at the time that was told, and not before", () => {
    const world = makeWorld({ slots: 64, keyLimits: { rate: { limit: 3, periodMs: 1_000, burst: 2 } } });
    const seqs = accept(world, ...many(8, { limitKey: "a" }));
    const hand = new WorkerHand(world);
    for (const seq of seqs.slice(2)) {
      const told = Date.parse(String(waiting(world, seq).earliestStart));
      world.now = told - 1;
      expect(hand.say({ want: 10 }).tasks).toEqual([]);
      world.now = told;
      expect(hand.say({ want: 10 }).tasks).toMatchObject([{ seq }]);
    }
  });

  it("has a type, or a version of it, that no worker knows", () => {
    const world = makeWorld();
    const seqs = accept(
      world,
      { type: "rare" },
      { type: "echo", version: 3 },
      { type: "rare" },
      { type: "constructor" },
    );
    expect(codesOf(world, seqs[0])).toEqual(["awaits-worker"]);
    world.open();
    expect(waiting(world, seqs[0]).reasons).toMatchObject([
      { code: "no-worker", type: "rare", version: 1, known: null },
    ]);
    expect(waiting(world, seqs[1]).reasons).toMatchObject([{ code: "no-worker", type: "echo", version: 3, known: 1 }]);
    expect(waiting(world, seqs[2])).toMatchObject({
      earliestStart: null,
      decidedBy: "no-worker",
      reasons: [{ code: "no-worker" }, { code: "ahead", count: 1, among: "type" }],
    });
    expect(codesOf(world, seqs[3])).toEqual(["no-worker"]);
  });

  it("counts none before it that no worker knows, though it has the same limitKey", () => {
    const world = makeWorld({ keyLimits: { concurrency: 1 } });
    const limitKey = "a";
    const seqs = accept(world, { limitKey, type: "rare" }, { limitKey }, { limitKey });
    new WorkerHand(world, { want: 1 });
    expect(waiting(world, seqs[2]).reasons).toMatchObject([{ code: "key-concurrency", running: 1, limit: 1 }]);
    expect(codesOf(world, seqs[0])).toEqual(["no-worker", "key-concurrency"]);
  });

  it("finds every slot taken, or too many before it", () => {
    const world = makeWorld({ slots: 2, maxSessions: 2 });
    const seqs = accept(world, ...many(6));
    new WorkerHand(world, { want: 2 });
    expect(waiting(world, seqs[2])).toMatchObject({ earliestStart: "now" });
    expect(waiting(world, seqs[4])).toMatchObject({
      earliestStart: null,
      decidedBy: "ahead",
      reasons: [{ code: "ahead", count: 2 }],
    });
    new WorkerHand(world, { want: 2 });
    expect(waiting(world, seqs[4])).toMatchObject({
      earliestStart: null,
      reasons: [{ code: "no-free-slot", sessions: 2, maxSessions: 2, slots: 2 }],
    });
  });

  it("finds no slot at workers that are about to go, or do not know its type", () => {
    const going = makeWorld({ slots: 2, maxSessions: 1, sessionMaxTasks: 1 });
    const seqs = accept(going, ...many(2));
    new WorkerHand(going, { want: 1 });
    expect(codesOf(going, seqs[1])).toEqual(["no-free-slot"]);
    const world = makeWorld({ slots: 2, maxSessions: 2 });
    const [, , rare] = accept(world, ...many(2), { type: "rare" });
    const worker = (name: string, types: Record<string, number>) =>
      ({ name, kind: "consumer", types, boot: null }) as const;
    new WorkerHand(world, { want: 0, worker: worker("a", { echo: 1 }) });
    new WorkerHand(world, { want: 2, worker: worker("b", { echo: 1, rare: 1 }) });
    expect(waiting(world, rare).reasons).toMatchObject([
      { code: "no-free-slot", detail: "2 of at most 2 workers are here, and none of them has a free slot for it." },
    ]);
  });

  it("runs alone, behind another that does", () => {
    const world = makeWorld();
    const seqs = accept(world, ...many(2), { type: "sleep" });
    for (let crash = 0; crash < 2; crash++) {
      new WorkerHand(world);
      world.passTo(world.now + 120_000);
    }
    expect(waiting(world, seqs[0])).toMatchObject({ earliestStart: "now", reasons: [{ code: "solo", isBusy: false }] });
    const alone = new WorkerHand(world, { solo: true, want: 1 });
    expect(alone.tasks).toMatchObject([{ seq: seqs[0] }]);
    expect(waiting(world, seqs[1])).toMatchObject({
      earliestStart: null,
      decidedBy: "solo",
      reasons: [{ code: "solo", crashes: 2, isBusy: true }, { code: "no-free-slot" }],
    });
  });
});

describe("276 what goes before a task", () => {
  it("is more urgent, older, raised by its age, or of a key whose turn comes first", () => {
    const world = makeWorld({ slots: 1, maxSessions: 1, ageStepMs: 1_000 });
    accept(world, { priority: 2 }, { priority: 8 });
    world.now += 4_000;
    accept(world, ...many(3));
    const [one] = accept(world, {});
    const ahead = { code: "ahead", count: 5, more: false, moreUrgent: 1, raised: 1, older: 3, byTurn: 0 };
    expect(waiting(world, one).reasons).toContainEqual(expect.objectContaining(ahead));
    expect(waiting(world, one).reasons.at(-1)?.detail).toBe(
      "5 tasks go before it: 1 more urgent, 1 raised by age, 3 older.",
    );
    const fair = makeWorld({ slots: 1, maxSessions: 1, fair: {} });
    const seqs = accept(fair, ...many(5, { fairnessKey: "a" }), ...many(5, { fairnessKey: "b" }));
    expect(waiting(fair, seqs[2]).reasons).toContainEqual(
      expect.objectContaining({ code: "ahead", count: 4, older: 2, byTurn: 2 }),
    );
  });

  it("is counted up to ten thousand", () => {
    const world = makeWorld({ depthLimit: 20_000 });
    accept(world, ...many(10_000));
    const seqs = accept(world, ...many(3));
    expect(waiting(world, seqs[0]).reasons.at(-1)).toMatchObject({ count: 10_000, more: false });
    expect(waiting(world, seqs[2]).reasons.at(-1)).toMatchObject({
      count: 10_000,
      more: true,
      detail: "More than 10000 tasks go before it: 10000 older.",
    });
  });
});
