/** What a shard keeps and gives: numbers that are never given twice, dead letters until their time, bytes, and answers to questions. */
import { describe, expect, it } from "vitest";
import { KIB, MAX_RESULT_BYTES, MIB } from "../../core/bytes.ts";
import { seqAt, seqTime } from "../../core/ids.ts";
import type { ReadAnswer } from "../../core/schema/rpc.ts";
import { countBatch, read } from "../../durable-objects/queue-shard/reads/read.ts";
import { summarize } from "../../durable-objects/queue-shard/reads/summarize.ts";
import { wait } from "../../durable-objects/queue-shard/reads/wait.ts";
import { makeWorld, type ShardWorld } from "../support/node/shard-world.ts";
import { accept, failed, many, nth, succeeded, taskAt, WorkerHand } from "../support/node/worker-hand.ts";

const HOUR = 3_600_000;

describe("115 numbers", () => {
  it("are never given twice, over evictions, steps of an hour either way, and an empty table", () => {
    const world = makeWorld({ slots: 64 });
    const given: number[] = [];
    const useAll = () => {
      given.push(...accept(world, ...many(3)));
      const hand = new WorkerHand(world);
      given.push(hand.session);
      hand.close(hand.tasks.map((task) => succeeded(world, task)));
      world.passTo(world.now);
    };
    for (const step of [0, HOUR, -HOUR, -HOUR, 0, HOUR, 1]) {
      world.now += step;
      useAll();
      world.evict();
      useAll();
    }
    expect(new Set(given).size).toBe(given.length);
    expect(given).toEqual([...given].sort((a, b) => a - b));
  });

  it("are of the moment that they were given in, and a minute's worth costs one write", () => {
    const world = makeWorld();
    const reserved = () => world.shard.sql.all<{ n: number }>("SELECT seq_reserved AS n FROM shard")[0]?.n;
    expect(accept(world, {})[0]).toBe(seqAt(world.now));
    const first = reserved();
    for (let second = 1; second < 60; second++) {
      world.now += 1_000;
      accept(world, {});
    }
    expect(reserved()).toBe(first);
    world.now += 1_000;
    accept(world, {});
    expect(reserved()).toBeGreaterThan(first ?? Number.NaN);
  });
});

describe("115 how far numbers run ahead", () => {
  it("is a minute, and seconds more where the object starts anew again and again", () => {
    const world = makeWorld();
    for (let starts = 0; starts < 100; starts++) {
      accept(world, {});
      world.evict();
    }
    expect(seqTime(nth(accept(world, {}), 0)) - world.now).toBeLessThan(62_000);
    world.now += 62_000;
    expect(accept(world, {})[0]).toBe(seqAt(world.now));
  });
});

describe("145 a dead letter", () => {
  it("stays until its time is over, then goes; its id was told", async () => {
    const world = makeWorld({ historyTtlSeconds: 3_600 });
    const seq = nth(accept(world, {}), 0);
    const hand = new WorkerHand(world);
    hand.close(hand.tasks.map((task) => failed(world, task, false)));
    world.passTo(world.now + 1_000);
    await Promise.all(world.background.splice(0));
    expect(world.deadLetters).toHaveLength(1);
    world.passTo(world.now + HOUR - 1_001);
    expect(world.shard.memory.dead.count).toBe(1);
    world.passTo(world.now + 1);
    expect(world.shard.memory.dead.count).toBe(0);
    expect(world.shard.sql.all("SELECT seq FROM task WHERE seq = ?", seq)).toEqual([]);
  });

  it("112 a key lives as long as it was told, over an eviction", () => {
    const world = makeWorld();
    const dedup = { key: "k", ttlMs: HOUR };
    const [first] = accept(world, { dedup });
    world.evict();
    world.passTo(world.now + HOUR - 1);
    expect(accept(world, { dedup })).toEqual([first]);
    world.passTo(world.now + 1);
    expect(accept(world, { dedup })).not.toEqual([first]);
  });
});

describe("155 bytes", () => {
  const QUOTES = JSON.stringify('"'.repeat(100 * KIB));
  const CONTROLS = JSON.stringify("\u0001".repeat(40 * KIB));

  it("large payloads of quotes and control characters beside small ones come out as they went in", () => {
    const world = makeWorld({ slots: 64 });
    const payloads = [QUOTES, "1", CONTROLS, '"ü"', QUOTES, "2", "3"];
    accept(world, ...payloads.map((payload) => ({ payload })));
    expect(new WorkerHand(world).tasks.map(({ payload }) => payload)).toEqual(payloads);
  });

  it("an answer carries what fits it, the rest comes with the next turn, in order", () => {
    const world = makeWorld({ slots: 64 });
    const seqs = accept(world, ...many(130, { payload: JSON.stringify("x".repeat(250 * KIB)) }));
    const hand = new WorkerHand(world, { want: 1 });
    const bytes: number[] = [];
    while (hand.tasks.length < seqs.length) {
      const { tasks } = hand.say({ want: 200 });
      bytes.push(tasks.reduce((sum, { payload }) => sum + payload.length, 0));
    }
    expect(bytes.length).toBeGreaterThan(1);
    // An RPC carries 32 MiB.
    expect(Math.max(...bytes)).toBeLessThan(20 * MIB);
    expect(hand.tasks.map(({ seq }) => seq)).toEqual(seqs);
  });

  it("139 a result over 1 MiB fails that task alone; its neighbours succeed, also those of exactly 1 MiB", () => {
    const world = makeWorld({ slots: 3 });
    const seqs = accept(world, ...many(3));
    const hand = new WorkerHand(world);
    const results = ["1", `"${"x".repeat(MAX_RESULT_BYTES - 1)}"`, `"${"x".repeat(MAX_RESULT_BYTES - 2)}"`];
    hand.say({ outcomes: hand.tasks.map((task, i) => succeeded(world, task, results[i])) });
    expect(taskAt(world, nth(seqs, 1))).toMatchObject({ status: "FAILED", error: { code: "result-too-large" } });
    expect(taskAt(world, nth(seqs, 0))).toMatchObject({ status: "SUCCEEDED", result: "1" });
    expect(taskAt(world, nth(seqs, 2))).toMatchObject({ status: "SUCCEEDED", result: results[2] });
  });

  it("a hundred results of 1 MiB, half of them quotes, are kept in rows that a database takes", () => {
    const world = makeWorld({ slots: 64 });
    const results = [JSON.stringify("x".repeat(MIB - 2)), JSON.stringify('"'.repeat(MIB / 2 - 1))];
    const seqs = accept(world, ...many(100));
    const hand = new WorkerHand(world);
    for (let i = 0; hand.tasks.length > 0; i++) {
      const outcomes = hand.tasks.slice(0, 8).map((task, j) => succeeded(world, task, results[(i + j) % 2]));
      hand.say({ outcomes, want: 8 });
    }
    expect(world.shard.memory.outbox).toMatchObject({ entries: 100 });
    const largest = "SELECT max(max(length(body), length(payload), length(result))) AS bytes FROM outbox";
    expect(world.shard.sql.all<{ bytes: number }>(largest)[0]?.bytes).toBeLessThanOrEqual(2 * MIB);
    expect(seqs.every((seq) => taskAt(world, seq)?.status === "SUCCEEDED")).toBe(true);
  });
});

describe("questions", () => {
  function ended(world: ShardWorld) {
    const seqs = accept(world, {}, {}, {}, { runAt: world.now + HOUR });
    const hand = new WorkerHand(world, { want: 3 });
    const [first, second] = [nth(hand.tasks, 0), nth(hand.tasks, 1)];
    hand.say({
      outcomes: [succeeded(world, first, '"r"'), failed(world, second, false)],
      progress: [[nth(seqs, 2), '{"percent":7}']],
    });
    return { seqs, hand };
  }

  it("159 a task is told as it stands, with its progress while it runs; an unknown one is null in its place", () => {
    const world = makeWorld();
    const { seqs } = ended(world);
    const answer = read(world.shard, { v: 1, seqs: [...seqs, nth(seqs, 0)].reverse().concat(seqAt(1)) });
    if (!answer.ok) throw new Error(answer.code);
    const statuses = ["SUCCEEDED", "SCHEDULED", "RUNNING", "FAILED", "SUCCEEDED"];
    expect(answer.tasks.map((task) => task?.status ?? null)).toEqual([...statuses, null]);
    expect(answer.tasks[2]).toMatchObject({ progress: '{"percent":7}', attempts: [{ outcome: null }] });
    expect(answer.tasks[4]).toMatchObject({ result: '"r"' });
  });

  it("161 a batch is counted by status, a dead letter once", () => {
    const world = makeWorld();
    const { seqs } = ended(world);
    const count = (first: number, length: number) =>
      countBatch(world.shard, { v: 1, first: nth(seqs, first), count: length });
    expect(count(0, 4)).toMatchObject({ counts: { SUCCEEDED: 1, FAILED: 1, RUNNING: 1, SCHEDULED: 1 } });
    expect(count(1, 1)).toMatchObject({ counts: { FAILED: 1 } });
  });

  it("183 a summary counts what there is, and says since when the oldest waits", () => {
    const world = makeWorld();
    ended(world);
    const since = world.now;
    world.now += 5_000;
    accept(world, ...many(9));
    expect(summarize(world.shard)).toMatchObject({
      depth: 11,
      queued: 9,
      scheduled: 1,
      running: 1,
      deadLetters: 1,
      sessions: 1,
      oldestQueuedAt: since + 5_000,
    });
  });

  it("183 since when the oldest waits is told by the clock: not by its id, and not before it came due", () => {
    const world = makeWorld();
    accept(world, { runAt: world.now + 60_000 });
    expect(summarize(world.shard).oldestQueuedAt).toBeNull();
    world.passTo(world.now + 60_000);
    expect(summarize(world.shard).oldestQueuedAt).toBe(world.now);
    new WorkerHand(world);
    world.evict();
    world.now += 14_000;
    accept(world, {});
    expect(summarize(world.shard).oldestQueuedAt).toBe(world.now);
  });

  it("159 who waits is answered when the task ends, or when the time is up with what it is then", () => {
    const world = makeWorld();
    const seq = nth(accept(world, {}), 0);
    const hand = new WorkerHand(world);
    const answers: ReadAnswer[] = [];
    const ask = (waitMs: number) => wait(world.shard, { v: 1, seq, waitMs }, (answer) => answers.push(answer));
    ask(0);
    ask(2_000);
    ask(10_000);
    world.passTo(world.now + 5_000);
    const statusOf = (answer: ReadAnswer) => (answer.ok ? answer.tasks[0]?.status : answer.code);
    expect(answers.map(statusOf)).toEqual(["RUNNING", "RUNNING"]);
    hand.say({ outcomes: hand.tasks.map((task) => succeeded(world, task)) });
    expect(answers.map(statusOf)).toEqual(["RUNNING", "RUNNING", "SUCCEEDED"]);
    world.passTo(world.now + 10_000);
    expect([answers.length, world.shard.waiters.size]).toEqual([3, 0]);
  });
});
