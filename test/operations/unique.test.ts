/** A shard's unique tasks: who has a key, for how long, and what a later submission is told. */
import { describe, expect, it } from "vitest";
import type { Seq } from "../../core/ids.ts";
import { uniqueOf } from "../../core/keys.ts";
import type { Dedup, NewTask, SubmitAnswer, Within } from "../../core/schema/rpc.ts";
import { acceptedTasks } from "../../core/submit-answer.ts";
import { onAlarm } from "../../durable-objects/queue-shard/alarm.ts";
import { submit } from "../../durable-objects/queue-shard/submit/submit.ts";
import { cancel } from "../../durable-objects/queue-shard/waiting/cancel.ts";
import { purge } from "../../durable-objects/queue-shard/waiting/purge.ts";
import { makeWorld, type ShardWorld } from "../support/node/shard-world.ts";
import { accept, failed, nth, returned, snoozed, succeeded, taskAt, WorkerHand } from "../support/node/worker-hand.ts";

const HOUR = 3_600_000;

function unique(within: Within, more: Partial<Dedup> = {}): Partial<NewTask> {
  return { dedup: { key: "uniq:key:echo k", ttlMs: within === "window" ? 60_000 : 0, within, ...more } };
}

function accepted(answer: SubmitAnswer) {
  if (!answer.ok) throw new Error(`not accepted: ${answer.code}`);
  return answer;
}

function keysOf(world: ShardWorld): string[] {
  return world.shard.sql.all<{ key: string }>("SELECT key FROM dedup").map(({ key }) => key);
}

function only(world: ShardWorld): Seq {
  return world.shard.sql.all<{ seq: Seq }>("SELECT seq FROM task")[0]?.seq ?? (0 as Seq);
}

function endBy(world: ShardWorld, end: typeof succeeded | typeof failed): void {
  const hand = new WorkerHand(world);
  hand.close(hand.tasks.map((task) => end(world, task)));
}

/** Whether the key is its first task's still. */
function isHeld(world: ShardWorld, within: Within, first: number): boolean {
  const answer = accepted(world.submit([unique(within)]));
  expect(answer.duplicates).toEqual(answer.seqs[0] === first ? [0] : []);
  return answer.seqs[0] === first;
}

describe("205 within queued", () => {
  it("a key is held until its task begins, and not again while that is to be tried again", () => {
    const world = makeWorld({ retry: { maxAttempts: 3 } });
    const [first = 0] = accept(world, { ...unique("queued"), runAt: world.now + 2 * HOUR });
    expect(isHeld(world, "queued", first)).toBe(true);
    world.passTo(world.now + 2 * HOUR);
    expect(isHeld(world, "queued", first)).toBe(true);
    const hand = new WorkerHand(world);
    hand.say({ outcomes: hand.tasks.map((task) => returned(world, task, false)) });
    expect(isHeld(world, "queued", first)).toBe(true);
    hand.say({ want: 1 });
    hand.say({ outcomes: hand.tasks.map((task) => failed(world, task)) });
    expect(taskAt(world, first as Seq)?.status).toBe("RETRYING");
    expect(isHeld(world, "queued", first)).toBe(false);
  });

  it("209 debounced, one that has begun and is to be tried again is left alone: the next submission makes another", () => {
    const world = makeWorld();
    const later = (payload: string) => ({ ...unique("queued", { onConflict: "replace" }), payload });
    const [first = 0] = accept(world, later("1"));
    const hand = new WorkerHand(world);
    hand.say({ outcomes: hand.tasks.map((task) => failed(world, task)) });
    const [second = 0] = accept(world, later("2"));
    expect(second).not.toBe(first);
    expect(taskAt(world, first as Seq)).toMatchObject({ status: "RETRYING", payload: "1" });
  });
});

it("209 debounceSeconds is one task while it waits, and another once that has begun", async () => {
  const world = makeWorld();
  const told = { type: "echo", payload: 1, debounceSeconds: 5 };
  const dedup = await uniqueOf(told, async (text) => text);
  const submitted = () => accepted(world.submit([{ dedup, runAt: world.now + 5_000 }])).seqs[0];
  const first = submitted();
  world.passTo(world.now + 4_000);
  expect(submitted()).toBe(first);
  world.passTo(world.now + 5_000);
  const hand = new WorkerHand(world);
  expect(hand.tasks.map(({ seq }) => seq)).toEqual([first]);
  const second = submitted();
  expect(second).not.toBe(first);
  expect(submitted()).toBe(second);
});

describe("205 within running", () => {
  it("a key is held until its task has ended, also by failure", () => {
    for (const end of [succeeded, failed]) {
      const world = makeWorld({ retry: { maxAttempts: 1 } });
      const [first = 0] = accept(world, unique("running"));
      const hand = new WorkerHand(world);
      expect(isHeld(world, "running", first)).toBe(true);
      hand.say({ outcomes: hand.tasks.map((task) => snoozed(world, task, 5_000)) });
      expect(isHeld(world, "running", first)).toBe(true);
      world.passTo(world.now + 5_000);
      hand.say({ want: 1 });
      hand.close(hand.tasks.map((task) => end(world, task)));
      expect(isHeld(world, "running", first)).toBe(false);
    }
  });

  it("207 a key outlives hours and evictions, and its row goes with the task", () => {
    const world = makeWorld();
    const [first = 0] = accept(world, unique("running"));
    for (let hour = 0; hour < 100; hour++) {
      world.passTo(world.now + HOUR);
      if (hour % 10 === 0) world.evict();
      expect(isHeld(world, "running", first)).toBe(true);
    }
    const hand = new WorkerHand(world);
    hand.close(hand.tasks.map((task) => succeeded(world, task)));
    expect(keysOf(world)).toEqual([]);
  });

  it("207 a key is kept while its task runs, for hours", () => {
    const world = makeWorld();
    const [first = 0] = accept(world, { ...unique("running"), options: JSON.stringify({ timeoutMs: 86_400_000 }) });
    const hand = new WorkerHand(world);
    hand.say({ started: hand.tasks.map(({ seq }) => seq) });
    for (const until = world.now + 3 * HOUR; world.now < until; ) {
      world.passTo(world.now + 30_000);
      hand.say();
    }
    expect(world.shard.memory.running).toBe(1);
    expect(isHeld(world, "running", first)).toBe(true);
  });

  it("207 keys past their time go 1,000 at a time, each batch by an alarm that comes at once", () => {
    const world = makeWorld();
    const key = (i: number) => ({ dedup: { key: `k${i}`, ttlMs: 60_000 } });
    accept(world, ...Array.from({ length: 2_500 }, (_, i) => key(i)));
    world.now += 60_000;
    const left = [];
    for (let rings = 0; rings < 3; rings++) {
      expect(world.shard.alarmAt).toBeLessThanOrEqual(world.now);
      onAlarm(world.shard);
      left.push(world.shard.sql.all<{ n: number }>("SELECT count(*) AS n FROM dedup")[0]?.n);
    }
    expect(left).toEqual([1_500, 500, 0]);
  });

  it("135 207 a key that its task has costs no alarm, however long that waits", () => {
    const world = makeWorld();
    accept(world, { ...unique("running"), runAt: world.now + 1_000 * HOUR });
    world.passTo(world.now + HOUR);
    expect(world.shard.alarmAt).toBe(world.now + 999 * HOUR);
  });

  it.each(["queued", "running"] as const)("207 a key %s goes with its task, however that ends", (within) => {
    const ends: Record<string, (world: ShardWorld) => void> = {
      succeeded: (world) => endBy(world, succeeded),
      failed: (world) => endBy(world, failed),
      "cancelled while it waits": (world) => void cancel(world.shard, { v: 1, seq: only(world) }),
      "cancelled while it runs": (world) => {
        const hand = new WorkerHand(world);
        cancel(world.shard, { v: 1, seq: only(world) });
        hand.close(hand.tasks.map((task) => failed(world, task)));
      },
      expired: (world) => world.passTo(world.now + 10_000),
      purged: (world) => void purge(world.shard, { v: 1, statuses: ["QUEUED"] }),
    };
    for (const [how, end] of Object.entries(ends)) {
      const world = makeWorld({ retry: { maxAttempts: 1 } });
      accept(world, { ...unique(within), expiresAt: world.now + 10_000 });
      end(world);
      expect(keysOf(world), how).toEqual([]);
    }
  });

  it("207 the end of a task takes no key that is another one's by then", () => {
    const world = makeWorld();
    accept(world, unique("queued"));
    const hand = new WorkerHand(world);
    const [second = 0] = accept(world, unique("queued"));
    hand.close(hand.tasks.map((task) => succeeded(world, task)));
    expect(isHeld(world, "queued", second)).toBe(true);
  });

  it("207 after an eviction too a key goes with its task", () => {
    const world = makeWorld();
    accept(world, unique("running"));
    world.evict();
    endBy(world, succeeded);
    expect(keysOf(world)).toEqual([]);
  });

  it("207 of many keys those of tasks that have ended are free, the others are not", () => {
    const world = makeWorld({ slots: 64 });
    const keyed = (i: number) => ({ dedup: { key: `k${i}`, ttlMs: 0, within: "running" as const } });
    for (let at = 0; at < 2_500; at += 500) accept(world, ...Array.from({ length: 500 }, (_, i) => keyed(at + i)));
    const hand = new WorkerHand(world, { want: 300 });
    while (hand.tasks.length < 300) hand.say({ want: 300 - hand.tasks.length });
    hand.close(hand.tasks.map((task) => succeeded(world, task)));
    expect(keysOf(world)).toHaveLength(2_200);
    expect(accepted(world.submit([keyed(0), keyed(2_499)])).duplicates).toEqual([1]);
  });
});

describe("205 within a window", () => {
  it("a key is held for its time whatever becomes of the task, whose status is told while the shard has it", async () => {
    const world = makeWorld();
    const task = { ...unique("window"), runAt: null };
    const first = accepted(world.submit([task]));
    const status = () => nth(acceptedTasks([task], accepted(world.submit([task]))), 0);
    expect(status()).toMatchObject({ status: "QUEUED", duplicate: true, createdAt: first.createdAt });
    const hand = new WorkerHand(world);
    expect(status()).toMatchObject({ status: "RUNNING" });
    hand.close(hand.tasks.map((one) => succeeded(world, one)));
    world.passTo(world.now + 59_999);
    expect(status()).toMatchObject({ status: null, duplicate: true, createdAt: first.createdAt });
    world.passTo(world.now + 1);
    expect(status()).toMatchObject({ status: "QUEUED", duplicate: false });
  });
});

describe("205 a later submission", () => {
  it("with reject is refused and names the task; nothing of its batch is accepted", () => {
    const world = makeWorld();
    accept(world, unique("running"));
    const before = world.shard.memory.lanes.queued;
    const fresh = { dedup: { key: "fresh", ttlMs: HOUR } };
    const batch = [{}, fresh, unique("running", { onConflict: "reject" })];
    const refusal = world.submit(batch);
    expect(refusal).toMatchObject({ ok: false, code: "duplicate-task", pointer: "/tasks/2/unique" });
    expect(refusal).toMatchObject({ taskId: expect.stringMatching(/^q\.0\./) });
    expect(world.shard.memory.lanes.queued).toBe(before);
    expect(accepted(world.submit([fresh])).duplicates).toEqual([]);
    const apart = accepted(world.submit(batch, { atomic: false }));
    expect(apart.seqs).toEqual([expect.any(Number), expect.any(Number), null]);
    expect(apart.refused).toMatchObject([{ index: 2, code: "duplicate-task" }]);
    expect(apart.duplicates).toEqual([1]);
  });

  it("205 rejected for another task of its batch names none: there is none then", () => {
    const world = makeWorld();
    const task = unique("queued", { onConflict: "reject" });
    const refusal = world.submit([{}, task, task]);
    expect(refusal).toMatchObject({ ok: false, code: "duplicate-task", pointer: "/tasks/2/unique" });
    expect(refusal).not.toHaveProperty("taskId");
    expect(world.shard.memory.lanes.queued).toBe(0);
  });

  it("with reject needs no room to be refused so, and with return none to be answered", () => {
    const world = makeWorld({ depthLimit: 1 });
    const [first] = accept(world, unique("running"));
    expect(world.submit([unique("running")])).toMatchObject({ seqs: [first], duplicates: [0] });
    expect(world.submit([unique("running", { onConflict: "reject" })])).toMatchObject({ code: "duplicate-task" });
    expect(world.submit([{}])).toMatchObject({ code: "queue-full" });
  });

  it("111 of the same turn meets the first: one task, whether it returns or rejects", () => {
    const world = makeWorld();
    const answers: SubmitAnswer[] = [];
    const plain = { type: "echo", version: 1, priority: 5, payload: "{}", runAt: null, options: null };
    accept(world, {});
    for (let i = 0; i < 200; i++) {
      const task = { ...plain, ...unique("queued", { onConflict: i % 2 === 0 ? "return" : "reject" }) };
      submit(world.shard, { v: 1, settingsVersion: 1, atomic: true, tasks: [task] }, (answer) => answers.push(answer));
    }
    world.passTo(world.now);
    expect(answers.filter((answer) => !answer.ok && answer.code === "duplicate-task")).toHaveLength(100);
    expect(new Set(answers.flatMap((answer) => (answer.ok ? answer.seqs : []))).size).toBe(1);
    expect(world.shard.memory.lanes.queued).toBe(2);
  });

  it("a key of another kind or type is another key", () => {
    const world = makeWorld();
    const keys = ["uniq:key:echo k", "uniq:key:sleep k", "uniq:payload:echo k", "idem:k"];
    const seqs = keys.map((key) => accept(world, unique("running", { key }))[0]);
    expect(new Set(seqs).size).toBe(keys.length);
  });
});
