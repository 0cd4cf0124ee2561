/** One thing done to many tasks of a shard, a portion a call: each task once, whatever answer is lost. */
import { describe, expect, it } from "vitest";
import { z } from "zod";
import type { Seq } from "../../core/ids.ts";
import { handledType } from "../../core/make-task.ts";
import type { BulkPlace, BulkPortion, BulkRequest, BulkWork, LiveFilter } from "../../core/schema/bulk-rpc.ts";
import type { DeadFilter } from "../../core/schema/dead-letters-rpc.ts";
import { bulk, countBulk } from "../../durable-objects/queue-shard/dead/bulk.ts";
import { bury } from "../support/node/dead-hand.ts";
import { makeWorld, type ShardWorld } from "../support/node/shard-world.ts";
import { accept, many, succeeded, taskAt, WorkerHand } from "../support/node/worker-hand.ts";

const worldOf = (settings = {}) =>
  makeWorld({ slots: 64, retry: { maxAttempts: 1 }, depthLimit: 100_000, ...settings });
const cancelling = (filter: LiveFilter): BulkWork => ({ action: "cancel", filter });
const redriving = (filter: DeadFilter = {}): BulkWork => ({ action: "redrive", filter });

function count(world: ShardWorld, work: BulkWork, asOf: number | null = null, isDryRun = false) {
  const answer = countBulk(world.shard, { v: 1, work, asOf, isDryRun });
  if (!answer.ok) throw new Error(answer.detail);
  return answer;
}

function ask(world: ShardWorld, work: BulkWork, more: Partial<BulkRequest> = {}): BulkPortion {
  const { upTo = count(world, work).upTo } = more;
  const fresh = { generation: 1, portion: 1, asOf: null, upTo, after: null, most: 1_000 };
  const answer = bulk(world.shard, { v: 1, job: "j", work, ...fresh, ...more });
  if (!answer.ok) throw new Error(`${answer.code}: ${answer.detail}`);
  return answer;
}

let jobs = 0;

/** As the Directory does, each portion asked for twice, the object evicted in between. */
function walk(world: ShardWorld, work: BulkWork, most = 1_000, asOf: number | null = null): BulkPortion[] {
  const { upTo } = count(world, work, asOf);
  const job = `job ${++jobs}`;
  const portions: BulkPortion[] = [];
  let after: BulkPlace | null = null;
  for (let portion = 1; portion < 200; portion++) {
    const request = { job, portion, upTo, asOf, after, most };
    const told = ask(world, work, request);
    if (portion % 3 === 0) world.evict();
    expect(ask(world, work, request)).toEqual(told);
    portions.push(told);
    if (!told.more) return portions;
    ({ after } = told);
  }
  throw new Error("two hundred portions did not end it");
}
const sum = (portions: readonly BulkPortion[], field: "done" | "failed" | "stopping") =>
  portions.reduce((total, portion) => total + portion[field], 0);
const statusOf = (world: ShardWorld, seq: Seq | undefined) => taskAt(world, seq as Seq)?.status;

describe("274 cancelling in bulk", () => {
  it("ends what waits, each with its record, asks what runs to stop, and leaves what comes later", () => {
    const world = worldOf({ slots: 2 });
    const seqs = accept(world, ...many(2), ...many(5, { runAt: world.now + 9_000 }), ...many(3));
    const hand = new WorkerHand(world, { want: 2 });
    const { upTo, matched } = count(world, cancelling({}));
    expect(matched).toBe(10);
    const [late] = accept(world, {});
    const portion = ask(world, cancelling({}), { upTo });
    expect(portion).toMatchObject({ done: 8, stopping: 2, more: false });
    expect(hand.say().cancel).toEqual(seqs.slice(0, 2));
    expect(taskAt(world, seqs[4] as Seq)).toMatchObject({
      status: "CANCELLED",
      error: { code: "cancelled", message: "cancelled in bulk while SCHEDULED" },
    });
    expect(statusOf(world, late)).toBe("QUEUED");
    expect(world.shard.memory).toMatchObject({ lanes: { queued: 1 }, due: { count: 0 }, running: 2 });
  });

  it("touches nothing of a queue that was deleted and made again meanwhile, nor of one that has not come yet", () => {
    const world = worldOf({ generation: 2 });
    const [seq] = accept(world, {});
    expect(() => ask(world, cancelling({}), { generation: 1 })).toThrow("queue-unknown");
    expect(ask(world, cancelling({}), { generation: 3 })).toMatchObject({ done: 0, more: false });
    expect(statusOf(world, seq)).toBe("QUEUED");
    expect(ask(world, cancelling({}), { generation: 2 })).toMatchObject({ done: 1 });
  });

  it("means what its filter says: status, type, tag, keys, time of submission, ids", () => {
    const world = worldOf();
    const [a, b, c, d] = accept(
      world,
      { type: "sleep" },
      { options: '{"tags":["x","y"]}' },
      { limitKey: "l", runAt: world.now + 9_000 },
      { fairnessKey: "f" },
    );
    world.now += 1_000;
    const [e] = accept(world, {});
    const meant = (filter: LiveFilter) => count(world, cancelling(filter)).matched;
    expect(meant({})).toBe(5);
    expect(meant({ type: "sleep" })).toBe(1);
    expect(meant({ tag: "y" })).toBe(1);
    expect(meant({ tag: "z" })).toBe(0);
    expect(meant({ limitKey: "l" })).toBe(1);
    expect(meant({ fairnessKey: "f" })).toBe(1);
    expect(meant({ status: ["SCHEDULED", "RETRYING"] })).toBe(1);
    expect(meant({ submittedBefore: world.now })).toBe(4);
    expect(meant({ submittedAfter: world.now })).toBe(1);
    expect(count(world, cancelling({}), world.now - 1).matched).toBe(4);
    expect(meant({ seqs: [a, c, e] as Seq[] })).toBe(3);
    walk(world, cancelling({ seqs: [b, e] as Seq[] }));
    expect([a, b, c, d, e].map((seq) => statusOf(world, seq))).toEqual([
      "QUEUED",
      "CANCELLED",
      "SCHEDULED",
      "QUEUED",
      "CANCELLED",
    ]);
  });

  it("walks on where filters match little, and counts each task once though each portion is asked for twice", () => {
    const world = worldOf();
    for (let i = 0; i < 5; i++) accept(world, ...many(4_999), { options: '{"tags":["x"]}' });
    const found = walk(world, cancelling({ tag: "x" }));
    expect(found).toHaveLength(2);
    expect(sum(found, "done")).toBe(5);
    const rest = walk(world, cancelling({}));
    expect(sum(rest, "done")).toBe(24_995);
    expect(world.shard.memory.lanes.queued).toBe(0);
  });

  it("an older portion than the last one is refused; a job's answers are forgotten after a day", () => {
    const world = worldOf();
    accept(world, ...many(3));
    const one = ask(world, cancelling({}), { most: 1 });
    ask(world, cancelling({}), { most: 1, portion: 2, after: one.after });
    const again = {
      v: 1,
      job: "j",
      generation: 1,
      portion: 1,
      work: cancelling({}),
      asOf: null,
      upTo: 1,
      after: null,
      most: 1,
    } as const;
    expect(bulk(world.shard, again)).toMatchObject({ ok: false, code: "stale-turn" });
    world.now += 86_400_001;
    ask(world, cancelling({}), { job: "k" });
    expect(world.shard.sql.all("SELECT job FROM bulk")).toEqual([{ job: "k" }]);
  });

  it("a portion that only asked tasks to stop, or only failed, is told again as it was, whatever has become of them", () => {
    const world = worldOf({ slots: 2 });
    accept(world, ...many(2));
    const hand = new WorkerHand(world, { want: 2 });
    const asked = ask(world, cancelling({}));
    expect(asked).toMatchObject({ done: 0, stopping: 2 });
    hand.close(hand.tasks.map((task) => succeeded(world, task)));
    expect(ask(world, cancelling({}), { upTo: Number.MAX_SAFE_INTEGER })).toEqual(asked);

    bury(world, many(2));
    const work: BulkWork = { action: "redrive", filter: {}, edit: { payload: "[]" } };
    world.types.set("echo", handledType({ type: "echo", version: 2, payload: z.object({}) }));
    const failed = ask(world, work, { job: "failing" });
    expect(failed).toMatchObject({ done: 0, failed: 2 });
    world.types.clear();
    expect(ask(world, work, { job: "failing" })).toEqual(failed);
  });

  it("where nothing is meant nothing is written", () => {
    const world = worldOf();
    expect(ask(world, cancelling({}))).toMatchObject({ done: 0, more: false });
    expect(world.shard.memory.hasTables).toBe(false);
    accept(world, {});
    ask(world, cancelling({ type: "none" }));
    expect(world.shard.sql.all("SELECT job FROM bulk")).toEqual([]);
  });
});

describe("270 redriving by filter", () => {
  it("goes portion by portion, the oldest first, each dead letter once", () => {
    const world = worldOf();
    bury(world, many(2_500), (i) => (i % 5 === 0 ? "rare" : "b"));
    const portions = walk(world, redriving({ fingerprint: "rare" }), 120);
    expect(sum(portions, "done")).toBe(500);
    expect(world.shard.memory.dead.count).toBe(2_000);
    expect(world.shard.memory.lanes.queued).toBe(500);
    const links = world.shard.sql.all<{ n: number }>(
      "SELECT count(DISTINCT json_extract(options, '$.replayOf')) AS n FROM task WHERE status = 'QUEUED'",
    );
    expect(links).toEqual([{ n: 500 }]);
    expect(sum(walk(world, redriving()), "done")).toBe(2_000);
  });

  it("stops where there is no room, says why, and goes on when there is", () => {
    const world = worldOf({ depthLimit: 10 });
    for (let i = 0; i < 3; i++) bury(world, many(8));
    const first = ask(world, redriving());
    expect(first).toMatchObject({ done: 10, more: true, refusal: null });
    const second = { portion: 2, after: first.after };
    expect(ask(world, redriving(), second)).toMatchObject({ done: 0, more: true, refusal: { code: "queue-full" } });
    walk(world, cancelling({}));
    expect(ask(world, redriving(), second)).toMatchObject({ done: 10, refusal: null });
  });

  it("273 those that an edit does not fit are told, and stay dead letters; the others go", () => {
    const world = worldOf();
    const payload = z.object({ to: z.string() });
    world.types.set("echo", handledType({ type: "echo", version: 2, payload }));
    bury(
      world,
      Array.from({ length: 30 }, (_, i) => ({ payload: i % 3 === 0 ? '{"n":1}' : '{"to":"x"}' })),
    );
    const work: BulkWork = { action: "redrive", filter: {}, edit: { payloadPatch: '{"n":null}' } };
    const [portion] = walk(world, work);
    expect(portion).toMatchObject({ done: 20, failed: 10, more: false });
    expect(portion?.failures[0]).toMatchObject({ code: "payload-invalid", pointer: "/edit/payloadPatch/to" });
    expect(world.shard.memory.dead.count).toBe(10);
  });
});

describe("271 a dry run", () => {
  it("counts what the redrive with its asOf then takes: what dies in the same millisecond is not meant", () => {
    const world = worldOf();
    bury(world, many(40));
    const asOf = world.now;
    expect(count(world, redriving(), asOf).matched).toBe(40);
    bury(world, many(7));
    expect(count(world, redriving(), asOf).matched).toBe(40);
    expect(sum(walk(world, redriving(), 9, asOf), "done")).toBe(40);
    expect(world.shard.memory.dead.count).toBe(7);
  });

  it("a shard that lost its memory since the count lets nothing die by that moment from its first portion on", () => {
    const world = worldOf();
    bury(world, many(40));
    const asOf = world.now;
    const { upTo, matched } = count(world, redriving(), asOf);
    world.evict();
    const first = ask(world, redriving(), { upTo, asOf, most: 10 });
    bury(world, many(7));
    const rest = ask(world, redriving(), { upTo, asOf, portion: 2, after: first.after });
    expect(first.done + rest.done).toBe(matched);
  });

  it.each([
    ["that moment", 0],
    ["a moment by a clock that is ahead", 30],
  ])(
    "counts what the cancel with its asOf, %s, then takes: what is submitted after the count is not meant",
    (_, ahead) => {
      const world = worldOf();
      accept(world, ...many(40));
      const asOf = world.now + ahead;
      expect(count(world, cancelling({}), asOf, true).matched).toBe(40);
      const [late] = accept(world, {});
      world.evict();
      expect(count(world, cancelling({}), asOf, true).matched).toBe(40);
      const [later] = accept(world, {}, { type: "sleep" });
      expect(sum(walk(world, cancelling({}), 9, asOf), "done")).toBe(40);
      for (const seq of [late, later]) expect(statusOf(world, seq)).toBe("QUEUED");
      world.now += 86_400_001;
      count(world, cancelling({}), world.now, true);
      expect(world.shard.sql.all("SELECT job FROM bulk")).toEqual([{ job: `asOf ${world.now}` }]);
    },
  );

  it("what is discarded meanwhile is left out, what is redriven and dies again is another", () => {
    const world = worldOf();
    bury(world, many(10), (i) => (i < 4 ? "x" : "y"));
    const asOf = world.now;
    walk(world, { action: "discard", filter: { fingerprint: "x" } });
    expect(sum(walk(world, redriving(), 3, asOf), "done")).toBe(6);
    const hand = new WorkerHand(world);
    const error = { code: "handler-error", message: "again", class: "Error" } as const;
    const times = { attempt: 1, startedAt: world.now, endedAt: world.now, error, retryable: false } as const;
    hand.close(hand.tasks.map(({ seq }) => ({ kind: "failed", seq, ...times })));
    expect(count(world, redriving(), asOf).matched).toBe(0);
    expect(count(world, redriving()).matched).toBe(6);
  });
});
