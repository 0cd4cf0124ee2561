/** Turns by fairnessKey and by age, at a shard. */
import { describe, expect, it } from "vitest";
import type { Seq } from "../../core/ids.ts";
import type { QueueSettings } from "../../core/schema/queue-settings.ts";
import type { Dedup } from "../../core/schema/rpc.ts";
import type { ClaimedTask } from "../../core/schema/session-rpc.ts";
import { configure } from "../../durable-objects/queue-shard/configure.ts";
import { next } from "../../durable-objects/queue-shard/reads/next.ts";
import { cancel } from "../../durable-objects/queue-shard/waiting/cancel.ts";
import { change as changeTask } from "../../durable-objects/queue-shard/waiting/change.ts";
import { makeWorld, type ShardWorld } from "../support/node/shard-world.ts";
import { accept, many, succeeded, WorkerHand } from "../support/node/worker-hand.ts";

const KEY_OF = "SELECT fairness_key AS key FROM task WHERE seq = ?";

/** Whose tasks start, one after the other. */
function takeTurns(world: ShardWorld, hand: WorkerHand, count: number): string {
  let turns = "";
  for (let i = 0; i < count; i++) {
    for (const { seq } of hand.tasks) turns += world.shard.sql.all<{ key: string | null }>(KEY_OF, seq)[0]?.key ?? "-";
    hand.say({ outcomes: hand.tasks.map((task) => succeeded(world, task)), want: 1 });
  }
  return turns;
}

function change(world: ShardWorld, patch: Partial<QueueSettings>): void {
  const { settings } = world.shard.memory;
  if (!settings) throw new Error("no settings");
  configure(world.shard, { v: 1, settings: { ...settings, ...patch, version: settings.version + 1 } });
}

describe("245 turns at a shard", () => {
  it("go round by key and weight, over the loss of memory and other weights", () => {
    const world = makeWorld({ slots: 1, fair: { weights: { a: 2 } } });
    accept(world, ...many(40, { fairnessKey: "a" }), ...many(20, { fairnessKey: "b" }), ...many(20));
    const hand = new WorkerHand(world);
    const count = (turns: string) => ["a", "b", "-"].map((key) => turns.split(key).length - 1);
    expect(count(takeTurns(world, hand, 12))).toEqual([6, 3, 3]);
    world.evict();
    takeTurns(world, hand, 1);
    expect(count(takeTurns(world, hand, 12))).toEqual([6, 3, 3]);
    change(world, { fair: { weights: { b: 4 } } });
    takeTurns(world, hand, 1);
    expect(count(takeTurns(world, hand, 12))).toEqual([2, 8, 2]);
    change(world, { fair: null });
    takeTurns(world, hand, 1);
    expect(takeTurns(world, hand, 5)).toBe("aaaaa");
  });

  it("246 a key that was at its limit is handed eight of what it missed, and then takes turns", () => {
    const world = makeWorld({
      slots: 1,
      fair: {},
      keyLimitOverrides: { held: { rate: { limit: 1, periodMs: 60_000 } } },
    });
    accept(world, ...many(100, { fairnessKey: "a" }), ...many(100, { fairnessKey: "b", limitKey: "held" }));
    const hand = new WorkerHand(world);
    expect(takeTurns(world, hand, 40).split("b")).toHaveLength(2);
    change(world, { keyLimitOverrides: {} });
    takeTurns(world, hand, 2);
    expect(takeTurns(world, hand, 20).split("b").length - 1).toBe(14);
    expect(takeTurns(world, hand, 20).split("b").length - 1).toBe(10);
  });
});

it("247 a task that has waited its steps starts before what is submitted later, however urgent", () => {
  const world = makeWorld({ slots: 1, ageStepMs: 1_000 });
  const [old] = accept(world, { priority: 2 });
  world.now += 6_999;
  const [urgent] = accept(world, { priority: 9, type: "sleep" });
  const first = new WorkerHand(world);
  expect(first.tasks).toMatchObject([{ seq: urgent }]);
  first.close();
  world.now += 1;
  expect(new WorkerHand(world).tasks).toMatchObject([{ seq: old }]);
});

describe("247 what was put off", () => {
  const HOUR = 3_600_000;
  const KEY: Dedup = { key: "k", ttlMs: 100 * HOUR, within: "queued", onConflict: "replace" };

  /** Whether the first of them starts before the second, which is submitted now. */
  function isFirst(world: ShardWorld, seq: Seq, priority: number): boolean {
    const [urgent] = accept(world, { priority, type: "sleep" });
    const hand = new WorkerHand(world);
    const [started] = hand.tasks;
    hand.close();
    expect([seq, urgent]).toContain(started?.seq);
    if (urgent !== undefined) cancel(world.shard, { v: 1, seq: urgent });
    return started?.seq === seq;
  }

  function nextOf(world: ShardWorld): string | undefined {
    const hand = new WorkerHand(world);
    hand.close();
    return hand.tasks[0]?.type;
  }

  it.each([
    ["by its submission", (world: ShardWorld) => accept(world, { priority: 2, runAt: world.now + 8 * HOUR })],
    [
      "by a handler that asked for later",
      (world: ShardWorld) => {
        accept(world, { priority: 2 });
        const hand = new WorkerHand(world);
        const later = (task: ClaimedTask) =>
          ({ ...succeeded(world, task), kind: "snoozed", delayMs: 8 * HOUR }) as const;
        const [task] = hand.tasks;
        hand.say({ outcomes: hand.tasks.map(later), want: 0 });
        hand.close();
        return task ? [task.seq] : [];
      },
    ],
  ])(
    "%s is as old as if it were submitted when it is due, over the loss of memory and new settings",
    (_how, putOff) => {
      const world = makeWorld({ slots: 1, ageStepMs: 1_000 });
      const [seq] = putOff(world);
      if (seq === undefined) throw new Error("nothing was put off");
      world.passTo(world.now + 8 * HOUR);
      expect(isFirst(world, seq, 3)).toBe(false);
      expect(new WorkerHand(world).close()).toMatchObject({ ok: true });
      expect(isFirst(world, seq, 3), "handed back").toBe(false);
      world.evict();
      expect(isFirst(world, seq, 3)).toBe(false);
      change(world, { ageStepMs: null });
      change(world, { ageStepMs: 1_000 });
      expect(isFirst(world, seq, 3)).toBe(false);
      world.now += 6_999;
      expect(isFirst(world, seq, 9)).toBe(false);
      world.now += 1;
      expect(isFirst(world, seq, 9)).toBe(true);
    },
  );

  it.each([
    [
      "is asked to run now",
      (world: ShardWorld, seq: Seq) => changeTask(world.shard, { v: 1, seq, rev: null, changes: { runAt: null } }),
    ],
    ["is replaced by what is to run at once", (world: ShardWorld) => accept(world, { priority: 2, dedup: KEY })],
  ])("and %s is due now", (_how, hurry) => {
    const world = makeWorld({ slots: 1, ageStepMs: 1_000 });
    const [seq] = accept(world, { priority: 2, runAt: world.now + 80 * HOUR, dedup: KEY });
    if (seq === undefined) throw new Error("nothing was put off");
    world.now += 8 * HOUR;
    hurry(world, seq);
    expect(isFirst(world, seq, 3)).toBe(false);
  });

  it("goes by its age as soon as the queue ages, and by its id again when it does no more", () => {
    const world = makeWorld({ slots: 1 });
    accept(world, { priority: 2, runAt: world.now + 8 * HOUR });
    world.now += 1;
    accept(world, { priority: 2, type: "sleep" });
    world.passTo(world.now + 8 * HOUR);
    expect(nextOf(world)).toBe("echo");
    change(world, { ageStepMs: 1_000 });
    expect(nextOf(world)).toBe("sleep");
    change(world, { ageStepMs: null });
    expect(nextOf(world)).toBe("echo");
  });

  it("by the hundred and due at once passes nothing of its kind that has waited its steps, once that is among the next 128", () => {
    const world = makeWorld({ slots: 1, ageStepMs: 1_000 });
    accept(world, ...many(150, { priority: 2, runAt: world.now + HOUR }));
    world.now += 1;
    const [waits] = accept(world, { priority: 2 });
    world.passTo(world.now + HOUR);
    world.evict();
    const told = next(world.shard, { v: 1, n: 100 });
    expect(told.ok && told.tasks.length, "told to be next").toBe(100);
    const hand = new WorkerHand(world);
    const started: string[] = [];
    for (let i = 0; i < 152; i++) {
      if (i === 25) accept(world, { priority: 9, type: "sleep" });
      for (const { seq, type } of hand.tasks) started.push(seq === waits ? "waits" : type);
      hand.say({ outcomes: hand.tasks.map((task) => succeeded(world, task)), want: 1 });
    }
    expect(started.indexOf("waits")).toBe(150);
    expect(started.indexOf("sleep")).toBe(151);
  });
});
