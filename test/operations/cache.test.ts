/** The result cache of a shard: what is answered by an equal task's result, what is kept, and what makes it go. */
import { describe, expect, it } from "vitest";
import { type Seq, taskId } from "../../core/ids.ts";
import type { NewTask } from "../../core/schema/rpc.ts";
import type { TaskRecord } from "../../core/task.ts";
import { timelineOf } from "../../core/timeline.ts";
import { explain } from "../../durable-objects/queue-shard/reads/explain.ts";
import { loadCache } from "../../durable-objects/queue-shard/submit/cache-rows.ts";
import { purgeCache } from "../../durable-objects/queue-shard/submit/purge-cache.ts";
import { change } from "../../durable-objects/queue-shard/waiting/change.ts";
import { makeWorld, type ShardWorld } from "../support/node/shard-world.ts";
import { accept, failed, nth, succeeded, taskAt, WorkerHand } from "../support/node/worker-hand.ts";

const TTL_MS = 60_000;
/** Keys that differ where rows are told apart. */
const keyOf = (n: number) => n.toString(16).padStart(13, "0").padEnd(32, "0");
const cached = (n = 1, more: Partial<NewTask> = {}): Partial<NewTask> => ({
  payload: `${n}`,
  cache: { key: keyOf(n), ttlMs: TTL_MS, read: true },
  ...more,
});
const refresh = (n = 1): Partial<NewTask> => ({
  ...cached(n),
  cache: { key: keyOf(n), ttlMs: TTL_MS, read: false },
});

function submitOne(world: ShardWorld, task: Partial<NewTask>): TaskRecord {
  const record = taskAt(world, nth(accept(world, task), 0));
  if (!record) throw new Error("the shard does not have what it accepted");
  return record;
}

/** Has everything that waits run, each with that result. */
function runAll(world: ShardWorld, result = '"made"'): void {
  const hand = new WorkerHand(world);
  hand.close(hand.tasks.map((task) => succeeded(world, task, result)));
}

/** A shard that keeps the result of one task. @returns that task */
function warm(result?: string): { world: ShardWorld; source: Seq } {
  const world = makeWorld();
  const source = nth(accept(world, cached()), 0);
  runAll(world, result);
  return { world, source };
}

describe("292 an equal task", () => {
  it("has the result at once, as a task of its own: a record, a timeline, no attempt, no place in the queue", () => {
    const { world, source } = warm();
    world.passTo(world.now + 5_000);
    const hit = submitOne(world, cached(1, { options: JSON.stringify({ tags: ["t"] }), limitKey: "k" }));
    const from = taskId(world.shard.address, source);
    expect(hit).toMatchObject({
      status: "SUCCEEDED",
      rev: 1,
      payload: "1",
      result: '"made"',
      attempts: [],
      tags: ["t"],
      createdAt: world.now,
      endedAt: world.now,
      links: { cachedFrom: from, limitKey: "k" },
    });
    expect(hit.seq).toBeGreaterThan(source);
    // Whoever runs it again, as it was or edited, has nothing to do with the cache.
    expect(taskAt(world, source)).not.toHaveProperty("options");
    expect(timelineOf(hit)).toEqual({
      moves: [["SUCCEEDED", world.now, `submitted, and answered by the result of ${from}`]],
      isComplete: true,
    });
    expect(explain(world.shard, { v: 1, seq: hit.seq })).toMatchObject({
      explanation: { status: "SUCCEEDED", summary: expect.stringContaining(`by the result of ${from}`) },
    });
    expect(world.shard.memory.lanes.queued).toBe(0);
    expect(world.tickets).toHaveLength(1);
  });

  it("runs where its key, its time or its being put off say so; over an eviction what is kept is still there", () => {
    const { world } = warm();
    world.evict();
    expect(submitOne(world, cached()).status).toBe("SUCCEEDED");
    expect(submitOne(world, cached(2)).status).toBe("QUEUED");
    expect(submitOne(world, cached(1, { runAt: world.now + 1 })).status).toBe("SCHEDULED");
    expect(submitOne(world, { payload: "1" }).status).toBe("QUEUED");
    const shorter = { key: keyOf(1), ttlMs: 1, read: true };
    world.passTo(world.now + 1);
    expect(submitOne(world, cached(1, { cache: shorter })).status).toBe("QUEUED");
  });

  it("has it until so long after the success, and not a millisecond longer; then its row goes by itself", () => {
    const { world } = warm();
    const endsAt = world.now + TTL_MS;
    world.passTo(endsAt - 1);
    expect(submitOne(world, cached()).status).toBe("SUCCEEDED");
    world.passTo(endsAt);
    expect(submitOne(world, cached()).status).toBe("QUEUED");
    expect(world.shard.memory.cache.rows).toBe(1);
    world.passTo(endsAt + 60_000);
    expect(loadCache(world.shard.sql)).toEqual({ rows: 0, bytes: 0, nextExpiry: null });
    expect(world.shard.memory.cache).toEqual({ rows: 0, bytes: 0, nextExpiry: null });
  });

  it("runs too while the first still does: the later submission's result is the one that is kept", () => {
    const world = makeWorld();
    accept(world, cached(), cached());
    const hand = new WorkerHand(world);
    const [first, second] = [nth(hand.tasks, 0), nth(hand.tasks, 1)];
    hand.say({ outcomes: [succeeded(world, second, '"later"')] });
    hand.say({ outcomes: [succeeded(world, first, '"earlier"')] });
    expect(submitOne(world, cached()).result).toBe('"later"');
  });

  it("111 several in one group, and a batch, have it; a full queue takes them, a draining one does not", () => {
    const { world } = warm();
    const full = { ...nth([world.shard.memory.settings], 0), depthLimit: 1, version: 2 };
    const settings = full as NonNullable<typeof world.shard.memory.settings>;
    const answer = world.submit([cached(), cached(9), cached()], { settings, settingsVersion: 2 });
    expect(answer).toMatchObject({
      ok: true,
      known: [
        { index: 0, status: "SUCCEEDED" },
        { index: 2, status: "SUCCEEDED" },
      ],
    });
    expect(world.submit([cached(8)])).toMatchObject({ ok: false, code: "queue-full" });
    expect(world.submit([cached()])).toMatchObject({ ok: true });
    const draining = { ...settings, draining: true, version: 3 };
    expect(world.submit([cached()], { settings: draining, settingsVersion: 3 })).toMatchObject({ code: "draining" });
  });

  it("205 that is unique: the key's task goes before what is kept; a window is its own, other keys end with it", () => {
    const { world } = warm();
    const within = (key: string, which: "window" | "running") =>
      cached(1, { dedup: { key: `uniq:${key}`, ttlMs: 1_000, within: which } });
    const first = submitOne(world, within("a", "window"));
    expect(world.submit([within("a", "window")])).toMatchObject({ duplicates: [0], seqs: [first.seq] });
    const other = submitOne(world, within("b", "running"));
    expect(world.submit([within("b", "running")])).toMatchObject({ duplicates: [] });
    expect(other.status).toBe("SUCCEEDED");
  });

  it("202 under an Idempotency-Key is told the same again, source and all", () => {
    const { world } = warm();
    const idempotency = { key: "k", fingerprint: "one" };
    const first = world.submit([cached()], { idempotency });
    world.passTo(world.now + TTL_MS * 2);
    expect(world.submit([cached()], { idempotency })).toEqual({ ...first, replayed: true });
  });

  it("225 keepPayload: false: its record has none", () => {
    const { world } = warm();
    const quiet = cached(1, { options: JSON.stringify({ keepPayload: false, resultTtlSeconds: 5 }) });
    expect(submitOne(world, quiet)).toMatchObject({ payload: "", resultExpiresAt: world.now + 5_000 });
  });
});

describe("292 what is kept", () => {
  it("is a success alone, of at most 256 KiB, no longer than its own task keeps it", () => {
    const world = makeWorld();
    accept(world, cached(1), cached(2), cached(3, { options: JSON.stringify({ resultTtlSeconds: 0 }) }), cached(4));
    const hand = new WorkerHand(world);
    hand.close(
      hand.tasks.map((task) => {
        if (task.payload === "1") return failed(world, task, false);
        return succeeded(world, task, JSON.stringify("x".repeat(task.payload === "2" ? 262_143 : 262_142)));
      }),
    );
    const statuses = [1, 2, 3, 4].map((n) => submitOne(world, cached(n)).status);
    expect(statuses).toEqual(["QUEUED", "QUEUED", "QUEUED", "SUCCEEDED"]);
  });

  it("is nothing of a task whose payload was changed while it waited", () => {
    const world = makeWorld();
    const seq = nth(accept(world, cached(1, { options: JSON.stringify({ tags: ["t"] }) })), 0);
    const payload = { text: '"other"', version: 1 };
    change(world.shard, { v: 1, seq, rev: null, changes: { payload } });
    runAll(world);
    expect(submitOne(world, cached(1)).status).toBe("QUEUED");
    expect(taskAt(world, seq)).toMatchObject({ payload: '"other"', tags: ["t"] });
  });

  it("beyond 10,000 or 64 MiB makes room: those that end soonest go", () => {
    const world = makeWorld({ depthLimit: 100_000, resultTtlSeconds: 31_536_000 });
    const result = JSON.stringify("x".repeat(200_000));
    const bytes = 200_002;
    const fits = Math.floor((64 * 2 ** 20) / bytes);
    for (let n = 1; n <= fits + 5; n++) {
      accept(world, cached(n));
      const hand = new WorkerHand(world);
      hand.close(hand.tasks.map((task) => succeeded(world, task, result)));
      world.now += 1;
    }
    expect(world.shard.memory.cache).toMatchObject({ rows: fits, bytes: fits * bytes });
    expect(loadCache(world.shard.sql)).toEqual(world.shard.memory.cache);
    expect(submitOne(world, cached(5)).status).toBe("QUEUED");
    expect(submitOne(world, cached(6)).status).toBe("SUCCEEDED");
  });

  it("under keys that share their first 52 bits: one drives the other out, and answers nobody else", () => {
    const world = makeWorld();
    const under = (end: string) => ({ cache: { key: keyOf(7).slice(0, 31) + end, ttlMs: TTL_MS, read: true } });
    accept(world, under("a"), under("b"));
    runAll(world);
    expect(loadCache(world.shard.sql)).toEqual(world.shard.memory.cache);
    expect(world.shard.memory.cache.rows).toBe(1);
    expect(["a", "b"].map((end) => submitOne(world, under(end)).status).sort()).toEqual(["QUEUED", "SUCCEEDED"]);
  });

  it("155 is copied to 8 MiB of results a group; beyond that tasks run", () => {
    const { world } = warm(JSON.stringify("x".repeat(200_000)));
    const answer = world.submit(Array.from({ length: 60 }, () => cached()));
    if (!answer.ok) throw new Error(answer.code);
    expect(answer.known).toHaveLength(Math.floor((8 * 2 ** 20) / 200_002));
    expect(world.shard.memory.lanes.queued).toBe(60 - (answer.known?.length ?? 0));
  });
});

describe("293 refresh, bypass and purge", () => {
  it("refresh runs, and its result takes the other's place; bypass neither looks nor is kept", () => {
    const { world } = warm();
    expect(submitOne(world, refresh()).status).toBe("QUEUED");
    expect(submitOne(world, cached()).result).toBe('"made"');
    runAll(world, '"anew"');
    const hit = submitOne(world, cached());
    expect(hit.result).toBe('"anew"');
    accept(world, { payload: "1" });
    runAll(world, '"unseen"');
    expect(submitOne(world, cached()).result).toBe('"anew"');
  });

  it("a purge counts for what is kept and for what was submitted before it; other types keep theirs", () => {
    const { world } = warm();
    accept(world, cached(5, { type: "sleep" }));
    runAll(world, '"kept"');
    accept(world, refresh());
    const running = new WorkerHand(world);
    expect(purgeCache(world.shard, { v: 1, type: "echo" })).toEqual({ v: 1, ok: true, purged: 1 });
    expect(submitOne(world, cached()).status).toBe("QUEUED");
    running.say({ outcomes: running.tasks.slice(0, 1).map((task) => succeeded(world, task, '"stale"')) });
    expect(submitOne(world, cached()).status).toBe("QUEUED");
    world.evict();
    runAll(world, '"fresh"');
    expect(submitOne(world, cached()).result).toBe('"fresh"');
    expect(submitOne(world, cached(5, { type: "sleep" })).result).toBe('"kept"');
  });

  it("a purge of a shard that was never written to leaves it so", () => {
    const world = makeWorld();
    expect(purgeCache(world.shard, { v: 1, type: "echo" })).toEqual({ v: 1, ok: true, purged: 0 });
    expect(world.shard.memory.hasTables).toBe(false);
  });
});
