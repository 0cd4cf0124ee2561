/** The data of one task is deleted: what goes, what is left in its place, and that nothing brings it back. */
import { describe, expect, it } from "vitest";
import { type Seq, taskId } from "../../core/ids.ts";
import { replayOf } from "../../core/replay.ts";
import type { WatchAnswer } from "../../core/schema/watch-rpc.ts";
import { NO_PAYLOAD } from "../../core/task.ts";
import { erase } from "../../durable-objects/queue-shard/ended/erase.ts";
import { flushHistory } from "../../durable-objects/queue-shard/ended/flush-history.ts";
import { loadMemory } from "../../durable-objects/queue-shard/load-memory.ts";
import { explain } from "../../durable-objects/queue-shard/reads/explain.ts";
import { watch } from "../../durable-objects/queue-shard/reads/watch.ts";
import { packBodies } from "../../history/outbox-body.ts";
import { readHistory } from "../../history/read.ts";
import { isDeleted, tombstoneOf } from "../../history/tombstone.ts";
import { writeHistory } from "../../history/write.ts";
import { NodeD1 } from "../support/node/d1.ts";
import { makeWorld, type ShardWorld } from "../support/node/shard-world.ts";
import { accept, failed, nth, succeeded, taskAt, WorkerHand } from "../support/node/worker-hand.ts";

const SECRET = "secret";
const task = { payload: `"${SECRET}"`, options: JSON.stringify({ tags: [`t-${SECRET}`] }) };

/** Tasks that end well, each with a result, and those that fail for good. */
function ended(world: ShardWorld, good: number, bad = 0): Seq[] {
  const seqs = accept(world, ...Array.from({ length: good + bad }, () => task));
  const hand = new WorkerHand(world);
  const lost = new Set(seqs.slice(good));
  hand.close(
    hand.tasks.map((one) => (lost.has(one.seq) ? failed(world, one, false) : succeeded(world, one, `"${SECRET}"`))),
  );
  return seqs;
}

const gone = (world: ShardWorld, seq: Seq) => erase(world.shard, { v: 1, seq });
/** Everything that the shard holds, as text. */
function textOf(world: ShardWorld): string {
  const tables = ["task", "outbox", "dedup", "cache", "notice", "session"];
  return JSON.stringify(tables.map((table) => world.shard.sql.all(`SELECT * FROM ${table}`)));
}
async function inHistory(d1: NodeD1, world: ShardWorld, seq: Seq) {
  const options = { texts: true, ms: 1_000 };
  const answer = await readHistory(d1, world.shard.address, [seq], world.shard.ports, options);
  return answer.ok ? answer.tasks[0] : answer;
}
function sameCounts(world: ShardWorld): void {
  const { outbox, dead, cache } = world.shard.memory;
  const fresh = loadMemory(world.shard.sql, null);
  expect([{ ...outbox, last: 0 }, dead, cache]).toEqual([{ ...fresh.outbox, last: 0 }, fresh.dead, fresh.cache]);
}

describe("226 the data of a finished task", () => {
  it.each([
    ["a success", 1, 0],
    ["a dead letter", 0, 1],
  ])("of %s goes from the shard; how it ended stays, above every revision", (_, good, bad) => {
    const world = makeWorld();
    const seq = nth(ended(world, good, bad), 0);
    const before = taskAt(world, seq);
    expect(textOf(world)).toContain(SECRET);
    expect(gone(world, seq)).toMatchObject({ ok: true, task: { seq, status: before?.status } });
    expect(textOf(world)).not.toContain(SECRET);
    const left = taskAt(world, seq);
    expect(left).toMatchObject({ payload: NO_PAYLOAD, result: null, error: null, attempts: [], tags: [], type: "" });
    expect([left && isDeleted(left), left?.status]).toEqual([true, before?.status]);
    sameCounts(world);
  });

  it("goes alone: its neighbours in one row of the outbox are as they were, also in D1", async () => {
    const world = makeWorld();
    const d1 = new NodeD1();
    const seqs = ended(world, 3, 1);
    const others = [0, 2, 3].map((i) => taskAt(world, nth(seqs, i)));
    gone(world, nth(seqs, 1));
    expect([0, 2, 3].map((i) => taskAt(world, nth(seqs, i)))).toEqual(others);
    sameCounts(world);
    world.history = d1;
    await flushHistory(world.shard);
    sameCounts(world);
    expect(d1.rows("SELECT seq FROM history WHERE payload = ''")).toEqual([{ seq: seqs[1] }]);
    expect(JSON.stringify(await inHistory(d1, world, nth(seqs, 1)))).not.toContain(SECRET);
    expect(await inHistory(d1, world, nth(seqs, 2))).toMatchObject({ payload: task.payload, tags: ["t-secret"] });
  });

  it("goes with its result that was kept for equal tasks", () => {
    const world = makeWorld();
    const cache = { key: "a".repeat(32), ttlMs: 60_000, read: true };
    const seq = nth(accept(world, { ...task, cache }), 0);
    const hand = new WorkerHand(world);
    hand.close(hand.tasks.map((one) => succeeded(world, one, `"${SECRET}"`)));
    gone(world, seq);
    expect(textOf(world)).not.toContain(SECRET);
    expect(taskAt(world, nth(accept(world, { cache }), 0))?.status).toBe("QUEUED");
    sameCounts(world);
  });

  it("goes with the lane of its keys, where no other task has them", () => {
    const world = makeWorld();
    const [seq] = accept(world, { limitKey: "customer-7" }, { limitKey: "customer-8" });
    const hand = new WorkerHand(world, { want: 1 });
    hand.close(hand.tasks.map((task) => succeeded(world, task)));
    const keys = () => world.shard.sql.all<{ key: string }>("SELECT limit_key AS key FROM lane ORDER BY no");
    expect(keys()).toEqual([{ key: "customer-7" }, { key: "customer-8" }]);
    erase(world.shard, { v: 1, seq: seq as Seq });
    expect(keys()).toEqual([{ key: "customer-8" }]);
  });

  it("is asked to go again: the same is told, and nothing but its mark is written", () => {
    const world = makeWorld();
    const seq = nth(ended(world, 1), 0);
    const first = gone(world, seq);
    const rows = () => world.shard.sql.all("SELECT n FROM outbox");
    const before = rows();
    expect([gone(world, seq), rows()]).toEqual([first, before]);
    world.passTo(world.now + 3_700_000);
    expect(world.shard.sql.all("SELECT key FROM dedup")).toEqual([]);
  });

  it("is told to nobody who follows it or asks why it stands where it does", () => {
    const world = makeWorld();
    const seq = nth(ended(world, 0, 1), 0);
    gone(world, seq);
    expect(explain(world.shard, { v: 1, seq })).toEqual({ v: 1, ok: true, explanation: null });
    const told: WatchAnswer[] = [];
    watch(world.shard, { v: 1, seen: [[seq, "as it was"]], waitMs: 0 }, (answer) => told.push(answer));
    expect(told).toMatchObject([{ ok: true, changed: [{ seq, task: null }] }]);
  });

  it("is not here: nothing is told, and an object that was never written to stays so", () => {
    const world = makeWorld();
    expect(gone(world, 1 as Seq)).toEqual({ v: 1, ok: true, task: null });
    expect(world.shard.memory.hasTables).toBe(false);
  });
});

describe("227 the data of a task that has not ended", () => {
  it("stays, whatever it waits for or does", () => {
    const world = makeWorld();
    const [running, scheduled] = accept(world, task, { ...task, runAt: world.now + 1_000 });
    new WorkerHand(world);
    for (const seq of [running, scheduled])
      expect(gone(world, seq ?? (0 as Seq))).toMatchObject({ ok: false, code: "task-unfinished" });
    expect(textOf(world)).toContain(SECRET);
  });
});

describe("228 nothing brings it back", () => {
  it("a flush on its way while it is deleted: D1 has the old row until the next one, then the tombstone", async () => {
    const world = makeWorld();
    const d1 = new NodeD1();
    world.history = d1;
    const seqs = ended(world, 2);
    const held = Promise.withResolvers<void>();
    d1.fault = () => held.promise;
    const flush = flushHistory(world.shard);
    gone(world, nth(seqs, 0));
    sameCounts(world);
    held.resolve();
    await flush;
    sameCounts(world);
    expect(await inHistory(d1, world, nth(seqs, 0))).toMatchObject({ result: `"${SECRET}"` });
    expect(world.shard.memory.outbox.entries).toBe(2);
    await flushHistory(world.shard);
    sameCounts(world);
    expect(JSON.stringify(await inHistory(d1, world, nth(seqs, 0)))).not.toContain(SECRET);
    expect(await inHistory(d1, world, nth(seqs, 1))).toMatchObject({ result: `"${SECRET}"` });
  });

  it.each([["before"], ["after"]])("a revision of it that reaches D1 %s the tombstone loses", async (when) => {
    const world = makeWorld();
    const d1 = new NodeD1();
    world.history = d1;
    const seq = nth(ended(world, 1), 0);
    const tombstone = tombstoneOf({ seq, status: "SUCCEEDED", createdAt: 1, endedAt: 2 }, 60, world.now);
    if (when === "before") await flushHistory(world.shard);
    await writeHistory(d1, world.shard.address, packBodies([tombstone]), world.shard.ports);
    await flushHistory(world.shard);
    const record = await inHistory(d1, world, seq);
    expect(record).toMatchObject({ seq, status: "SUCCEEDED", payload: NO_PAYLOAD, result: null });
  });

  it("a row that D1 refuses, before or while it is deleted, is not kept", async () => {
    for (const isBefore of [true, false]) {
      const world = makeWorld();
      const d1 = new NodeD1();
      d1.sqlite.exec(`CREATE TRIGGER no BEFORE INSERT ON history WHEN instr(NEW.payload, '${SECRET}')
        BEGIN SELECT RAISE(ABORT, 'CHECK constraint failed: no'); END`);
      world.history = d1;
      const seq = nth(ended(world, 1), 0);
      if (isBefore) {
        await flushHistory(world.shard);
        expect(world.shard.memory.outbox.refused).toBe(1);
        gone(world, seq);
      } else {
        let isErased = false;
        d1.fault = () => {
          if (!isErased) gone(world, seq);
          isErased = true;
        };
        await flushHistory(world.shard);
      }
      sameCounts(world);
      expect(world.shard.memory.outbox.refused).toBe(0);
      expect(textOf(world)).not.toContain(SECRET);
      await flushHistory(world.shard);
      expect(d1.rows("SELECT status, payload FROM history")).toEqual([{ status: "SUCCEEDED", payload: "" }]);
    }
  });

  it.each([["is still to go to D1"], ["is in D1"]])(
    "a replay that had read it before the tombstone, which %s",
    async (where) => {
      const world = makeWorld();
      world.history = new NodeD1();
      const seq = nth(ended(world, 1), 0);
      const record = taskAt(world, seq);
      if (!record) throw new Error("no record");
      gone(world, seq);
      if (where === "is in D1") await flushHistory(world.shard);
      const id = taskId(world.shard.address, seq);
      const again = replayOf({ ...record, tags: [] }, id, { payload: { text: "1", version: 1 } });
      expect(world.submit([again], { repeats: record })).toMatchObject({ ok: true });
      expect(textOf(world)).not.toContain(SECRET);
      const left = taskAt(world, seq);
      expect(left === null || isDeleted(left)).toBe(true);
    },
  );
});
