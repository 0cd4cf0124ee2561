/** How attempts and tasks end: failures and their pauses, deadlines, crashes, and who is condemned by them. */
import { describe, expect, it } from "vitest";
import type { NewTask } from "../../core/schema/rpc.ts";
import { makeWorld, type ShardWorld } from "../support/node/shard-world.ts";
import { accept, failed, many, nth, snoozed, succeeded, taskAt, WorkerHand } from "../support/node/worker-hand.ts";

const SOLO = { solo: true };

/** Lets the only task be handed out and its worker be lost; then its pause pass. @returns the pause, ms */
function crash(world: ShardWorld, request = {}): number {
  const hand = new WorkerHand(world, request);
  const { seq } = nth(hand.tasks, 0);
  world.passTo(world.now + 45_000);
  const { runAt = null } = taskAt(world, seq) ?? {};
  const pause = runAt === null ? 0 : runAt - world.now;
  world.passTo(world.now + pause);
  return pause;
}

function fail(world: ShardWorld): number {
  const hand = new WorkerHand(world, { want: 1 });
  const task = nth(hand.tasks, 0);
  hand.say({ outcomes: [failed(world, task)] });
  const pause = (taskAt(world, task.seq)?.runAt ?? world.now) - world.now;
  hand.close();
  world.passTo(world.now + pause);
  return pause;
}

const withOptions = (options: object): Partial<NewTask> => ({ options: JSON.stringify(options) });

describe("a failure", () => {
  it("141 waits 1 s, 2 s, 4 s, and 142 the fourth is the last", () => {
    const world = makeWorld();
    const seq = nth(accept(world, {}), 0);
    expect([fail(world), fail(world), fail(world), fail(world)]).toEqual([1_000, 2_000, 4_000, 0]);
    const task = taskAt(world, seq);
    expect(task).toMatchObject({ status: "FAILED", error: { code: "handler-error", message: "attempt 4 failed" } });
    expect(task?.attempts.map(({ attempt, outcome, worker }) => [attempt, outcome, worker])).toEqual([
      [1, "failed", "w"],
      [2, "failed", "w"],
      [3, "failed", "w"],
      [4, "failed", "w"],
    ]);
  });

  it("141 waits no longer than capMs, as long each time where it is fixed, and half of it by a draw of a half", () => {
    const pausesOf = (retry: object) => {
      const world = makeWorld();
      accept(world, withOptions({ retry: { maxAttempts: 5, ...retry } }));
      return [fail(world), fail(world), fail(world), fail(world)];
    };
    expect(pausesOf({ baseMs: 100, capMs: 300 })).toEqual([100, 200, 300, 300]);
    expect(pausesOf({ backoff: "fixed", baseMs: 700 })).toEqual([700, 700, 700, 700]);
    expect(pausesOf({ jitter: "full" })).toEqual([500, 1_000, 2_000, 4_000]);
  });

  it("143 that cannot be retried ends the task at once", () => {
    const world = makeWorld();
    const seq = nth(accept(world, {}), 0);
    const hand = new WorkerHand(world);
    hand.say({ outcomes: hand.tasks.map((task) => failed(world, task, false)) });
    expect(taskAt(world, seq)).toMatchObject({ status: "FAILED", attempts: [{ attempt: 1 }] });
  });

  it("144 asking for later spends no attempt, however often", () => {
    const world = makeWorld({ retry: { maxAttempts: 1 } });
    const seq = nth(accept(world, {}), 0);
    for (let i = 0; i < 5; i++) {
      const hand = new WorkerHand(world);
      hand.say({ outcomes: hand.tasks.map((task) => snoozed(world, task, 5_000)) });
      expect(taskAt(world, seq)).toMatchObject({ status: "SCHEDULED", runAt: world.now + 5_000 });
      hand.close();
      world.passTo(world.now + 5_000);
    }
    const hand = new WorkerHand(world);
    hand.say({ outcomes: hand.tasks.map((task) => succeeded(world, task)) });
    expect(taskAt(world, seq)?.attempts.map(({ outcome }) => outcome)).toEqual([
      ...Array(5).fill("snoozed"),
      "succeeded",
    ]);
  });
});

describe("a deadline", () => {
  it("138 ends what hangs in a session that speaks, 5 s after its time, and the other slots go on", () => {
    const world = makeWorld({ slots: 2 });
    accept(world, withOptions({ timeoutMs: 10_000 }), ...many(20));
    const hand = new WorkerHand(world);
    const hung = nth(hand.tasks, 0).seq;
    for (let second = 1; second <= 15; second++) {
      world.passTo(world.now + 1_000);
      const others = hand.tasks.filter(({ seq }) => seq !== hung);
      if (second < 15) expect(taskAt(world, hung)?.status).toBe("RUNNING");
      hand.say({ outcomes: others.map((task) => succeeded(world, task)), want: 1 });
    }
    expect(taskAt(world, hung)).toMatchObject({ status: "RETRYING", error: { code: "timeout" }, crashes: 0 });
    expect(world.shard.memory.outbox.entries).toBe(15);
  });

  it("147 of a session that is silent is no timeout: the end of its lease tells that it crashed", () => {
    const world = makeWorld();
    const seq = nth(accept(world, withOptions({ timeoutMs: 1_000 })), 0);
    new WorkerHand(world);
    world.passTo(world.now + 44_999);
    expect(taskAt(world, seq)?.status).toBe("RUNNING");
    world.passTo(world.now + 1);
    expect(taskAt(world, seq)).toMatchObject({ status: "RETRYING", error: { code: "crashed" }, crashes: 1 });
  });

  it("138 passed while its session was silent ends the attempt when the session speaks again, in its row too", () => {
    const world = makeWorld();
    const seq = nth(accept(world, withOptions({ timeoutMs: 1_000 })), 0);
    const hand = new WorkerHand(world);
    world.passTo(world.now + 20_000);
    hand.say();
    expect(taskAt(world, seq)).toMatchObject({ status: "RETRYING", error: { code: "timeout" } });
    world.evict();
    expect(world.shard.memory.running).toBe(0);
  });
});

describe("a worker that is lost", () => {
  it("147 crashed with what had begun, which waits by the backoff; what had not goes back unharmed", () => {
    const world = makeWorld({ slots: 1 });
    const seqs = accept(world, ...many(2));
    new WorkerHand(world).say({ want: 1 });
    world.passTo(world.now + 45_000);
    expect(taskAt(world, nth(seqs, 0))).toMatchObject({ status: "RETRYING", runAt: world.now + 1_000, crashes: 1 });
    expect(taskAt(world, nth(seqs, 1))).toMatchObject({ status: "QUEUED", attempts: [], crashes: 0 });
  });

  it("147 at a new boot every consumer of the earlier one is gone at once, whatever its lease", () => {
    const world = makeWorld();
    world.boot = "first";
    const seq = nth(accept(world, {}), 0);
    new WorkerHand(world);
    world.boot = "second";
    world.evict();
    world.shard.alarmAt = world.now;
    world.passTo(world.now);
    expect(taskAt(world, seq)).toMatchObject({ status: "RETRYING", crashes: 1 });
  });

  it("150 three crashes alone condemn, two in company do not; 147 no attempt is spent", () => {
    const world = makeWorld();
    const seq = nth(accept(world, {}), 0);
    expect([crash(world), crash(world)]).toEqual([1_000, 2_000]);
    expect(() => new WorkerHand(world)).toThrow("no session");
    expect([crash(world, SOLO), crash(world, SOLO), crash(world, SOLO)]).toEqual([4_000, 8_000, 0]);
    expect(taskAt(world, seq)).toMatchObject({ status: "FAILED", error: { code: "poisoned" }, crashes: 5 });
  });

  it("148 maxCrashes of any kind end a task, and the first does where it is to run at most once", () => {
    const world = makeWorld();
    const seqs = accept(world, withOptions({ maxCrashes: 2 }));
    crash(world);
    crash(world);
    expect(taskAt(world, nth(seqs, 0))).toMatchObject({ status: "FAILED", error: { code: "crashed" }, crashes: 2 });
    const once = accept(world, withOptions({ onCrash: "fail" }));
    crash(world);
    expect(taskAt(world, nth(once, 0))).toMatchObject({ status: "FAILED", error: { code: "crashed" }, crashes: 1 });
  });

  it("148 at most once: what is handed back unfinished does not begin again", () => {
    const world = makeWorld();
    const seq = nth(accept(world, withOptions({ onCrash: "fail" })), 0);
    const hand = new WorkerHand(world);
    const times = { startedAt: world.now, endedAt: world.now };
    hand.say({ outcomes: [{ kind: "returned", hasBegun: true, seq, attempt: 1, ...times }] });
    expect(taskAt(world, seq)).toMatchObject({ status: "FAILED", attempts: [{ outcome: "returned" }] });
  });
});
