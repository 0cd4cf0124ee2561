/** A shard's dead letters: listed in their order, grouped by cause, discarded. */
import { describe, expect, it } from "vitest";
import type { DeadFilter, DeadPlace, GroupPlace } from "../../core/schema/dead-letters-rpc.ts";
import { discardDead, groupDead, listDead } from "../../durable-objects/queue-shard/dead/dead-letters.ts";
import { makeWorld, type ShardWorld } from "../support/node/shard-world.ts";
import { accept, failed, many, WorkerHand } from "../support/node/worker-hand.ts";

const FAR = Number.MAX_SAFE_INTEGER;

/** Lets `count` tasks fail, `each` as many at the same moment, with causes in turn. */
function fail(world: ShardWorld, count: number, each: number, causes: readonly string[]): number[] {
  const seqs: number[] = [];
  for (let done = 0; done < count; done += each) {
    accept(world, ...many(each).map((_, i) => ({ type: i % 2 === 0 ? "echo" : "sleep" })));
    const hand = new WorkerHand(world, { want: each });
    const outcomes = hand.tasks.map((task, i) => {
      seqs.push(task.seq);
      const cause = causes[(done + i) % causes.length] ?? "";
      const error = { code: "handler-error", class: "Error", message: `${cause} ${done}`, fingerprint: cause } as const;
      return { ...failed(world, task, false), kind: "failed" as const, retryable: false, error };
    });
    hand.close(outcomes);
    world.now += 1_000;
  }
  return seqs;
}

function walk(world: ShardWorld, filter: DeadFilter, limit: number): number[] {
  const seqs: number[] = [];
  let after: DeadPlace | null = null;
  for (;;) {
    const answer = listDead(world.shard, { v: 1, filter, after, limit });
    if (!answer.ok) throw new Error(answer.detail);
    seqs.push(...answer.tasks.map(({ seq }) => seq));
    const last = answer.tasks.at(-1);
    if (!last) return seqs;
    after = { endedAt: last.endedAt ?? 0, seq: last.seq };
  }
}

const worldOf = () => makeWorld({ slots: 64, retry: { maxAttempts: 1 }, depthLimit: 100_000 });

describe("266 the list of dead letters", () => {
  it("gives each once, the newest first, however it is cut into pages and however many ended at one moment", () => {
    const world = worldOf();
    const seqs = fail(world, 24, 8, ["a", "b", "c"]);
    const newest = [2, 1, 0].flatMap((round) => seqs.slice(round * 8, round * 8 + 8).toReversed());
    for (const limit of [1, 3, 8, 100]) expect(walk(world, {}, limit)).toEqual(newest);
  });

  it("is narrowed by type, code and cause, and by one task; without payloads unless it is of one", () => {
    const world = worldOf();
    const seqs = fail(world, 12, 6, ["a", "b", "c"]);
    expect(walk(world, { type: "echo" }, 100)).toHaveLength(6);
    expect(walk(world, { fingerprint: "b" }, 100)).toHaveLength(4);
    expect(walk(world, { type: "sleep", fingerprint: "b", code: "handler-error" }, 100)).toHaveLength(2);
    expect(walk(world, { code: "timeout" }, 100)).toEqual([]);
    const [seq] = seqs;
    const one = listDead(world.shard, { v: 1, filter: { seq: seq as never }, after: null, limit: 1, texts: true });
    expect(one).toMatchObject({ ok: true, tasks: [{ seq, status: "FAILED", payload: "{}" }] });
    expect(listDead(world.shard, { v: 1, filter: {}, after: null, limit: 2, texts: true }).ok).toBe(false);
    const heads = listDead(world.shard, { v: 1, filter: { q: "{}" }, after: null, limit: 100 });
    expect(heads.ok && heads.tasks.map(({ payload }) => payload)).toEqual(Array.from({ length: 12 }, () => "null"));
  });
});

describe("267 groups", () => {
  it("10,000 failures of three causes are three groups a type, each with its count, times and latest example", () => {
    const world = worldOf();
    const seqs = fail(world, 10_000, 50, ["a", "b", "c"]);
    const answer = groupDead(world.shard, { v: 1, filter: { type: "echo" } });
    if (!answer.ok) throw new Error(answer.detail);
    expect(answer.groups.map(({ fingerprint }) => fingerprint).sort()).toEqual(["a", "b", "c"]);
    expect(answer.groups.reduce((sum, { count }) => sum + count, 0)).toBe(5_000);
    for (const { example, lastAt, firstAt, error } of answer.groups) {
      expect(seqs.indexOf(example)).toBeGreaterThanOrEqual(9_950);
      expect(lastAt - firstAt).toBe(199_000);
      expect(error.message).toContain("9950");
    }
  });
});

describe("267 many groups", () => {
  it("come by pages, the largest first, each once, and no stack with them", () => {
    const world = worldOf();
    fail(
      world,
      2_300,
      50,
      Array.from({ length: 1_150 }, (_, i) => `cause-${i}`),
    );
    const seen: string[] = [];
    let after: GroupPlace | null = null;
    for (let page = 1; ; page++) {
      const answer = groupDead(world.shard, { v: 1, filter: {}, after });
      if (!answer.ok) throw new Error(answer.detail);
      seen.push(...answer.groups.map(({ type, fingerprint }) => `${type} ${fingerprint}`));
      for (const { error } of answer.groups) expect(error).not.toHaveProperty("stack");
      expect(answer.more).toBe(page === 1);
      if (!answer.more) break;
      after = answer.groups.at(-1) ?? null;
    }
    expect(seen.length).toBeGreaterThanOrEqual(1_150);
    expect(new Set(seen).size).toBe(seen.length);
  });
});

describe("268 discarding", () => {
  it("takes those of the filter that had ended by a moment, as many as a dry run counted, and no others", () => {
    const world = worldOf();
    fail(world, 30, 6, ["a", "b", "c"]);
    const asOf = world.now - 1;
    const filter = { fingerprint: "a" };
    expect(discardDead(world.shard, { v: 1, filter, asOf, dryRun: true })).toMatchObject({ count: 10, more: false });
    world.now += 10_000;
    fail(world, 6, 6, ["a"]);
    expect(world.shard.memory.dead.count).toBe(36);
    expect(discardDead(world.shard, { v: 1, filter, asOf, dryRun: false })).toMatchObject({ count: 10, more: false });
    expect(world.shard.memory.dead.count).toBe(26);
    expect(walk(world, filter, 100)).toHaveLength(6);
    const { dead } = world.shard.memory;
    world.evict();
    expect(world.shard.memory.dead).toEqual(dead);
  });

  it("goes on portion by portion", () => {
    const world = worldOf();
    fail(world, 1_500, 50, ["a"]);
    const all = { v: 1, filter: {}, asOf: FAR, dryRun: false } as const;
    expect(discardDead(world.shard, all)).toMatchObject({ count: 1_000, more: true });
    expect(discardDead(world.shard, all)).toMatchObject({ count: 500, more: false });
    expect(world.shard.memory.dead).toEqual({ count: 0, oldest: null, bytes: 0 });
  });

  it("goes on after the portion before: what its filter has passed over is not looked at again", () => {
    const world = worldOf();
    fail(world, 2_400, 50, ["a", "b"]);
    const filter = { fingerprint: "b" };
    const first = discardDead(world.shard, { v: 1, filter, asOf: FAR, dryRun: false });
    if (!first.ok || !first.after) throw new Error("no place is told");
    expect(first).toMatchObject({ count: 1_000, more: true });
    const before = walk(world, {}, 100);
    const looked: unknown[][] = [];
    const { all } = world.shard.sql;
    world.shard.sql.all = (statement, ...values) => {
      if (statement.includes("(ended_at, seq) >")) looked.push(values);
      return all(statement, ...values);
    };
    const next = discardDead(world.shard, { v: 1, filter, asOf: FAR, dryRun: false, after: first.after });
    expect(next).toMatchObject({ count: 200, more: false });
    expect(looked).toMatchObject([["b", first.after.endedAt, first.after.seq, FAR]]);
    expect(before.length - walk(world, {}, 100).length).toBe(200);
  });
});
