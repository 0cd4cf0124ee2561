/** A shard's unique tasks: who has a key, for how long, and what a later submission is told. */
import { describe, expect, it } from "vitest";
import type { Seq } from "../../core/ids.ts";
import { FIRST_LOOK_MS, uniqueOf } from "../../core/keys.ts";
import type { Dedup, NewTask, SubmitAnswer, Within } from "../../core/schema/rpc.ts";
import { acceptedTasks } from "../../core/submit-answer.ts";
import { onAlarm } from "../../durable-objects/queue-shard/alarm.ts";
import { submit } from "../../durable-objects/queue-shard/submit/submit.ts";
import { makeWorld, type ShardWorld } from "../support/node/shard-world.ts";
import { accept, failed, nth, returned, snoozed, succeeded, taskAt, WorkerHand } from "../support/node/worker-hand.ts";

const HOUR = 3_600_000;

function unique(within: Within, more: Partial<Dedup> = {}): Partial<NewTask> {
  return { dedup: { key: "uniq:key:echo k", ttlMs: within === "window" ? 60_000 : FIRST_LOOK_MS, within, ...more } };
}

function accepted(answer: SubmitAnswer) {
  if (!answer.ok) throw new Error(`not accepted: ${answer.code}`);
  return answer;
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

  it("a key outlives hours, evictions and the first look at it, and its row goes after the task", () => {
    const world = makeWorld();
    const [first = 0] = accept(world, unique("running"));
    const rows = () => world.shard.sql.all<{ at: number }>("SELECT expires_at AS at FROM dedup");
    for (let hour = 0; hour < 100; hour++) {
      world.passTo(world.now + HOUR);
      if (hour % 10 === 0) world.evict();
      expect(isHeld(world, "running", first)).toBe(true);
    }
    const hand = new WorkerHand(world);
    hand.close(hand.tasks.map((task) => succeeded(world, task)));
    expect(rows()).toHaveLength(1);
    world.passTo(world.now + 200 * HOUR);
    expect(rows()).toEqual([]);
  });

  it("207 a key is kept while its task runs, for hours, and looked at meanwhile", () => {
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
    expect(world.shard.sql.all<{ at: number }>("SELECT expires_at AS at FROM dedup")[0]?.at).toBeGreaterThan(world.now);
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

  it("a key of a task that waits for long is looked at ever more seldom", () => {
    const world = makeWorld();
    accept(world, unique("running"));
    let looks = 0;
    let before = 0;
    for (let hour = 0; hour < 1_000; hour++) {
      world.passTo(world.now + HOUR);
      const at = world.shard.sql.all<{ at: number }>("SELECT expires_at AS at FROM dedup")[0]?.at ?? 0;
      if (at !== before) looks++;
      before = at;
    }
    expect(looks).toBeGreaterThan(5);
    expect(looks).toBeLessThan(15);
  });

  it("135 207 more keys than one batch are looked at and forgotten at once, some held, some not", () => {
    const world = makeWorld({ slots: 64 });
    const keyed = (i: number) => ({ dedup: { key: `k${i}`, ttlMs: FIRST_LOOK_MS, within: "running" as const } });
    for (let at = 0; at < 2_500; at += 500) accept(world, ...Array.from({ length: 500 }, (_, i) => keyed(at + i)));
    const hand = new WorkerHand(world, { want: 300 });
    while (hand.tasks.length < 300) hand.say({ want: 300 - hand.tasks.length });
    hand.close(hand.tasks.map((task) => succeeded(world, task)));
    world.passTo(world.now + FIRST_LOOK_MS);
    expect(world.shard.sql.all<{ n: number }>("SELECT count(*) AS n FROM dedup")[0]?.n).toBe(2_200);
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
