/** A shard under an Idempotency-Key: one key, one submission, one answer, for 24 hours. */
import { describe, expect, it } from "vitest";
import type { Idempotency } from "../../core/schema/answer.ts";
import { DEFAULT_SETTINGS } from "../../core/schema/queue-settings.ts";
import type { NewTask, SubmitAnswer } from "../../core/schema/rpc.ts";
import { acceptedTasks } from "../../core/submit-answer.ts";
import { SHARD_MIGRATIONS } from "../../durable-objects/queue-shard/migrations.ts";
import { submit } from "../../durable-objects/queue-shard/submit/submit.ts";
import { migrate } from "../../durable-objects/sql/migrate.ts";
import { makeWorld, type ShardWorld } from "../support/node/shard-world.ts";
import { many, succeeded, WorkerHand } from "../support/node/worker-hand.ts";

const KEY: Idempotency = { key: "k", fingerprint: "one" };
const DAY = 24 * 3_600_000;

function accepted(answer: SubmitAnswer) {
  if (!answer.ok) throw new Error(`not accepted: ${answer.code}`);
  return answer;
}

function once(world: ShardWorld, tasks: Parameters<ShardWorld["submit"]>[0], idempotency = KEY, atomic = true) {
  return world.submit(tasks, { idempotency, atomic });
}

describe("202 the same key and body", () => {
  it("are answered what the first were, over an eviction and the task's end, and make no task", () => {
    const world = makeWorld();
    const tasks = [{}, { runAt: world.now + 5_000 }];
    const first = accepted(once(world, tasks));
    expect(first.replayed).toBeUndefined();
    const hand = new WorkerHand(world);
    hand.close(hand.tasks.map((task) => succeeded(world, task)));
    world.evict();
    world.passTo(world.now + 60_000);
    const again = accepted(once(world, tasks));
    expect(again.replayed).toBe(true);
    expect(
      acceptedTasks(
        tasks.map(() => ({ runAt: null })),
        again,
      ),
    ).toEqual([
      { seq: first.seqs[0], status: "QUEUED", createdAt: first.createdAt, duplicate: false },
      { seq: first.seqs[1], status: "SCHEDULED", createdAt: first.createdAt, duplicate: false },
    ]);
    expect(world.shard.memory.lanes.queued).toBe(1);
  });

  it("111 meet within one turn: all are answered alike", () => {
    const world = makeWorld();
    const answers: SubmitAnswer[] = [];
    const task: NewTask = { type: "echo", version: 1, priority: 5, payload: "1", runAt: null, options: null };
    for (let i = 0; i < 200; i++)
      submit(
        world.shard,
        { v: 1, settingsVersion: 1, settings: DEFAULT_SETTINGS, atomic: true, tasks: [task], idempotency: KEY },
        (answer) => answers.push(answer),
      );
    world.passTo(world.now);
    expect(new Set(answers.map((answer) => accepted(answer).seqs[0])).size).toBe(1);
    expect(answers.filter((answer) => accepted(answer).replayed !== true)).toHaveLength(1);
    expect(world.shard.memory.lanes.queued).toBe(1);
  });

  it("are answered though the queue is full by then; where the shard's settings are older, once it has the newer", () => {
    const world = makeWorld({ depthLimit: 2 });
    const first = accepted(once(world, many(2)));
    expect(world.submit([{}])).toMatchObject({ code: "queue-full" });
    expect(once(world, many(2))).toMatchObject({ ok: true, replayed: true, seqs: first.seqs });
    const newer = { ...DEFAULT_SETTINGS, version: 9, draining: true };
    expect(world.submit(many(2), { idempotency: KEY, settingsVersion: 9 })).toMatchObject({ code: "settings-needed" });
    const again = world.submit(many(2), { idempotency: KEY, settingsVersion: 9, settings: newer });
    expect(again).toMatchObject({ ok: true, replayed: true, seqs: first.seqs });
  });

  it("112 keep what stood under other keys: a duplicate stays one", () => {
    const world = makeWorld();
    const dedup = { key: "other", ttlMs: 60_000 };
    const [before] = accepted(world.submit([{ dedup }])).seqs;
    const first = accepted(once(world, [{}, { dedup }]));
    expect(first).toMatchObject({ duplicates: [1], seqs: [expect.any(Number), before] });
    expect(once(world, [{}, { dedup }])).toMatchObject({ replayed: true, duplicates: [1], seqs: first.seqs });
  });
});

describe("203 a key", () => {
  it("is refused with another body, and nothing of that is accepted", () => {
    const world = makeWorld();
    once(world, [{}]);
    const other = { key: KEY.key, fingerprint: "two" };
    expect(once(world, [{}], other)).toMatchObject({ ok: false, code: "idempotency-key-reused" });
    expect(world.shard.memory.lanes.queued).toBe(1);
  });

  it("is not taken by what was refused altogether", () => {
    const world = makeWorld({ depthLimit: 2 });
    expect(once(world, many(3))).toMatchObject({ code: "batch-too-large" });
    expect(once(world, many(2), { key: KEY.key, fingerprint: "two" })).toMatchObject({ ok: true });
  });

  it("202 accepted in part has what was refused tried again where that may pass, and what was accepted told as it was", () => {
    const world = makeWorld({ depthLimit: 3 });
    const taken = { dedup: { key: "uniq:k", ttlMs: DAY, onConflict: "reject" as const } };
    world.submit([taken]);
    const tasks = [taken, ...many(4)];
    const send = () => accepted(once(world, tasks, KEY, false));
    const first = send();
    expect(first.refused).toMatchObject([
      { index: 0, code: "duplicate-task" },
      { index: 3, code: "queue-full", detail: "3 of at most 3 unfinished tasks are here" },
      { index: 4, code: "queue-full" },
    ]);
    // Nothing has changed: nothing is made, and nothing written.
    const before = world.shard.sql.all("SELECT * FROM dedup");
    expect(send()).toMatchObject({ replayed: true, seqs: first.seqs, refused: first.refused });
    expect(world.shard.sql.all("SELECT * FROM dedup")).toEqual(before);
    const hand = new WorkerHand(world, { want: 2 });
    hand.close(hand.tasks.map((task) => succeeded(world, task)));
    world.passTo(world.now + 5_000);
    const told = send();
    expect(told.replayed).toBeUndefined();
    expect(told.refused).toEqual(first.refused.slice(0, 1));
    expect(told.seqs.slice(0, 3)).toEqual(first.seqs.slice(0, 3));
    expect(
      acceptedTasks(
        tasks.map(() => ({ runAt: null })),
        told,
      ).map((task) => task?.createdAt),
    ).toEqual([undefined, first.createdAt, first.createdAt, world.now, world.now]);
    const left = world.shard.memory.lanes.queued;
    world.evict();
    expect(send()).toMatchObject({ replayed: true, seqs: told.seqs, refused: told.refused, known: told.known });
    expect(world.shard.memory.lanes.queued).toBe(left);
    world.passTo(world.now + DAY - 5_001);
    expect(send()).toMatchObject({ replayed: true });
    world.passTo(world.now + 1);
    expect(world.shard.sql.all("SELECT key FROM dedup WHERE key LIKE 'idem:%'")).toEqual([]);
  });

  it("202 of a batch that a later deploy reads as fewer tasks nothing is tried again: their places are not known", () => {
    const world = makeWorld({ depthLimit: 1 });
    const first = accepted(once(world, many(3), KEY, false));
    const hand = new WorkerHand(world);
    hand.close(hand.tasks.map((task) => succeeded(world, task)));
    expect(once(world, many(2), KEY, false)).toMatchObject({ replayed: true, seqs: first.seqs });
    expect(world.shard.memory.lanes.queued).toBe(0);
  });

  it("is taken by what was accepted in part though the first task was refused", () => {
    const world = makeWorld();
    const taken = { dedup: { key: "uniq:key:echo k", ttlMs: DAY, onConflict: "reject" as const } };
    world.submit([taken]);
    const first = accepted(once(world, [taken, {}], KEY, false));
    expect(first).toMatchObject({ seqs: [null, expect.any(Number)], refused: [{ index: 0, code: "duplicate-task" }] });
    expect(once(world, [taken, {}], KEY, false)).toMatchObject({ replayed: true, seqs: first.seqs });
    expect(world.shard.memory.lanes.queued).toBe(2);
  });

  it("201 is free again after 24 hours, and its row is gone", () => {
    const world = makeWorld();
    const [first] = accepted(once(world, [{}])).seqs;
    world.passTo(world.now + DAY - 1);
    expect(once(world, [{}])).toMatchObject({ seqs: [first], replayed: true });
    world.passTo(world.now + 1);
    expect(world.shard.sql.all("SELECT key FROM dedup")).toEqual([]);
    const [second] = accepted(once(world, [{}], { key: "k", fingerprint: "two" })).seqs;
    expect(second).not.toBe(first);
  });

  it("is of its own kind: none can name the fire of a schedule", () => {
    const world = makeWorld();
    const dedup = { key: "sched:s:1", ttlMs: 60_000 };
    const [fire] = accepted(world.submit([{ dedup }])).seqs;
    const [other] = accepted(once(world, [{}], { key: "sched:s:1", fingerprint: "one" })).seqs;
    expect(other).not.toBe(fire);
    expect(world.submit([{ dedup }])).toMatchObject({ seqs: [fire], duplicates: [0] });
  });
});

it("112 a row that was there before keys had a fingerprint goes on holding its fire", () => {
  const world = makeWorld();
  migrate(world.shard.sql, SHARD_MIGRATIONS.slice(0, 1));
  world.shard.sql.run("INSERT INTO dedup (key, seq, expires_at) VALUES ('sched:s:1', 42, ?)", world.now + 1_000);
  world.shard.sql.run("INSERT INTO dedup (key, seq, expires_at) VALUES ('sched:s:2', 43, ?)", world.now);
  const fires = [1, 2].map((at) => ({ dedup: { key: `sched:s:${at}`, ttlMs: 60_000 } }));
  const answer = accepted(world.submit(fires));
  expect(answer.seqs[0]).toBe(42);
  expect(answer.duplicates).toEqual([0]);
});
