/** What a shard takes: exactly as many as its limit allows, all of a batch or what fits of it, under the settings it has. */
import { describe, expect, it } from "vitest";
import { DEFAULT_SETTINGS } from "../../core/schema/queue-settings.ts";
import { configure } from "../../durable-objects/queue-shard/configure.ts";
import { makeWorld } from "../support/node/shard-world.ts";
import { accept, failed, many, nth, succeeded, taskAt, WorkerHand } from "../support/node/worker-hand.ts";

describe("156 the depth limit", () => {
  it("is exact: of 250 single submissions 200 are taken, and after an eviction not one more", () => {
    const world = makeWorld({ depthLimit: 200 });
    const answers = Array.from({ length: 250 }, () => world.submit([{}]));
    expect(answers.filter(({ ok }) => ok)).toHaveLength(200);
    expect(answers.at(-1)).toMatchObject({ ok: false, code: "queue-full", retryAfterMs: 1_000 });
    world.evict();
    expect(world.submit([{}])).toMatchObject({ ok: false, code: "queue-full" });
  });

  it("counts what waits, runs and is put off, not what has ended: also not dead letters", () => {
    const world = makeWorld({ depthLimit: 3, slots: 2 });
    accept(world, {}, {}, { runAt: world.now + 60_000 });
    const hand = new WorkerHand(world);
    expect(world.submit([{}]).ok).toBe(false);
    const [first, second] = [nth(hand.tasks, 0), nth(hand.tasks, 1)];
    hand.say({ outcomes: [succeeded(world, first), failed(world, second, false)] });
    expect(world.submit([{}, {}]).ok).toBe(true);
    expect(world.submit([{}]).ok).toBe(false);
  });

  it("refuses a batch whole; with atomic: false fills what room there is", () => {
    const world = makeWorld({ depthLimit: 5 });
    accept(world, {}, {});
    expect(world.submit(many(4))).toMatchObject({ ok: false, code: "queue-full" });
    expect(world.shard.memory.lanes.queued).toBe(2);
    const part = world.submit(many(4), { atomic: false });
    expect(part).toMatchObject({ ok: true, refused: [{ index: 3, code: "queue-full" }] });
    expect(part.ok && part.seqs[3]).toBeNull();
    expect(world.shard.memory.lanes.queued).toBe(5);
  });

  it("says of a batch that could never fit that it is too large, and to come again of none", () => {
    const world = makeWorld({ depthLimit: 8, shards: 2 });
    expect(world.submit(many(5))).toMatchObject({ ok: false, code: "batch-too-large" });
    expect(world.submit(many(4)).ok).toBe(true);
    expect(world.submit(many(4))).toMatchObject({ ok: false, code: "queue-full", retryAfterMs: 1_000 });
    expect(world.submit(many(5), { atomic: false })).toMatchObject({ ok: true, refused: { length: 5 } });
  });

  it("needs no room for what is already known: over a limit that was lowered too", () => {
    const world = makeWorld({ depthLimit: 4 });
    const dedup = { key: "k", ttlMs: 60_000 };
    const [known] = accept(world, { dedup }, {}, {}, {});
    expect(world.submit([{ dedup }])).toMatchObject({ ok: true, seqs: [known], duplicates: [0] });
    configure(world.shard, { v: 1, settings: { ...DEFAULT_SETTINGS, version: 2, depthLimit: 2 } });
    expect(world.submit([{ dedup }])).toMatchObject({ ok: true, seqs: [known], duplicates: [0] });
    expect(world.submit([{ dedup }, {}])).toMatchObject({ ok: false, code: "queue-full" });
  });

  it("is a whole share of the queue's for each of its shards", () => {
    const world = makeWorld({ depthLimit: 10, shards: 4 });
    expect(world.submit(many(3)).ok).toBe(true);
    expect(world.submit([{}])).toMatchObject({ ok: false, code: "queue-full" });
  });
});

describe("a batch", () => {
  it("109 is all or nothing, also where the tables refuse one of it", () => {
    const world = makeWorld();
    const answer = world.submit([{}, { priority: Number.NaN }, { type: "sleep" }]);
    expect(answer).toMatchObject({ ok: false, code: "internal" });
    expect(world.shard.memory.lanes.queued).toBe(0);
    accept(world, {});
    world.evict();
    expect(world.shard.memory.lanes.queued).toBe(1);
  });

  it("110 of tasks for now and for later is counted as both, each with its own id", () => {
    const world = makeWorld();
    const seqs = accept(world, {}, { runAt: world.now + 1 }, { runAt: world.now }, { type: "sleep" });
    expect(seqs.map((seq) => taskAt(world, seq)?.status)).toEqual(["QUEUED", "SCHEDULED", "QUEUED", "QUEUED"]);
    expect(new Set(seqs).size).toBe(4);
  });
});

describe("182 settings", () => {
  it("a shard that has none, or older ones, asks for them and writes nothing", () => {
    const world = makeWorld();
    const older = { settings: { ...DEFAULT_SETTINGS, version: 0 }, settingsVersion: 3 };
    const tables = "SELECT count(*) AS n FROM sqlite_master";
    expect(world.submit([{}], older)).toMatchObject({ ok: false, code: "settings-needed" });
    expect(world.shard.sql.all(tables)).toEqual([{ n: 0 }]);
    const asked = { ...older, settings: { ...DEFAULT_SETTINGS, version: 3 } };
    expect(world.submit([{}], asked)).toMatchObject({ ok: true });
    expect(world.submit([{}], older)).toMatchObject({ ok: true });
  });

  it("258 what was meant for a queue that was deleted since is not taken by the one that was made again", () => {
    const world = makeWorld({ generation: 2 });
    for (const more of [{}, { idempotency: { key: "k", fingerprint: "f" } }])
      expect(world.submit([{}], { generation: 1, ...more })).toMatchObject({ ok: false, code: "settings-stale" });
    expect(world.shard.sql.all("SELECT (SELECT count(*) FROM task) + (SELECT count(*) FROM dedup) AS n")).toEqual([
      { n: 0 },
    ]);
    expect(world.submit([{}], { generation: 2 })).toMatchObject({ ok: true });
  });

  it("older ones that come late change nothing", () => {
    const world = makeWorld();
    accept(world, {});
    configure(world.shard, { v: 1, settings: { ...DEFAULT_SETTINGS, version: 5, depthLimit: 1 } });
    configure(world.shard, { v: 1, settings: { ...DEFAULT_SETTINGS, version: 4, depthLimit: 100 } });
    expect(world.submit([{}])).toMatchObject({ ok: false, code: "queue-full" });
    world.evict();
    expect(world.shard.memory.settings).toMatchObject({ version: 5, depthLimit: 1 });
  });
});
