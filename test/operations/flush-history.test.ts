/** Outbox to D1: what a database refuses or does not answer costs nobody else anything. */
import { describe, expect, test } from "vitest";
import type { Seq } from "../../core/ids.ts";
import { DEFAULT_SETTINGS } from "../../core/schema/queue-settings.ts";
import { configure } from "../../durable-objects/queue-shard/configure.ts";
import { read } from "../../durable-objects/queue-shard/reads/read.ts";
import { NodeD1 } from "../support/node/d1.ts";
import { makeWorld, type ShardWorld } from "../support/node/shard-world.ts";

const BAD = '"bad"';

/** Submits and settles a task for each result, in one session. */
function settle(world: ShardWorld, results: readonly string[]): Seq[] {
  const submitted = world.submit(results.map(() => ({})));
  const opened = world.open({ want: results.length });
  if (!submitted.ok || !opened.ok || opened.session === null) throw new Error("not submitted, or no session");
  const { session, handout } = opened;
  const now = { startedAt: world.now, endedAt: world.now };
  const outcomes = handout.tasks.map(({ seq, attempt }, i) => {
    return { ...now, kind: "succeeded", seq, attempt, result: results[i] ?? "null" } as const;
  });
  expect(outcomes).toHaveLength(results.length);
  world.advance({ session, turn: 1, outcomes });
  return outcomes.map(({ seq }) => seq);
}

/** Lets flushes run until the outbox holds nothing to send, or `rounds` seconds have passed. */
async function flush(world: ShardWorld, rounds = 20): Promise<void> {
  for (let i = 0; i < rounds && world.shard.memory.outbox.rows > 0; i++) {
    world.passTo(world.now + 1_000);
    await Promise.all(world.background.splice(0));
  }
}

function worldWith(d1: NodeD1): ShardWorld {
  const world = makeWorld({ slots: 64 });
  world.history = d1;
  return world;
}

const inHistory = (d1: NodeD1) => d1.rows("SELECT seq FROM history ORDER BY seq").map(({ seq }) => seq);
const refuse = (d1: NodeD1) => {
  d1.fault = (statements) => {
    if (statements.some(({ values }) => values.some((value) => String(value).includes("bad"))))
      throw new Error("D1_ERROR: CHECK constraint failed: SQLITE_CONSTRAINT");
  };
};

describe("flush", () => {
  test("164 finished tasks go to D1, and the outbox is empty then", async () => {
    const d1 = new NodeD1();
    const world = worldWith(d1);
    const seqs = settle(world, ["1", "2", "3"]);
    await flush(world);
    expect(inHistory(d1)).toEqual(seqs);
    expect(world.shard.memory.outbox).toMatchObject({ rows: 0, entries: 0, bytes: 0 });
  });

  test("257 a flush that was under way when the queue was deleted leaves what came after it alone", async () => {
    const d1 = new NodeD1();
    const world = worldWith(d1);
    const { promise, resolve } = Promise.withResolvers<void>();
    d1.fault = () => promise;
    settle(world, ["1", "2"]);
    world.passTo(world.now + 1_000);
    const settings = { ...DEFAULT_SETTINGS, slots: 64, version: 3, generation: 2 };
    configure(world.shard, { v: 1, settings });
    expect(world.shard.memory.outbox.rows).toBe(0);
    const [after] = settle(world, ["3"]);
    resolve();
    await flush(world);
    expect(inHistory(d1)).toContain(after);
    expect(world.shard.memory.outbox).toMatchObject({ rows: 0, entries: 0, bytes: 0 });
  });

  test("167 a refused task is kept and read by id; those settled with it and after it are in D1", async () => {
    const d1 = new NodeD1();
    refuse(d1);
    const world = worldWith(d1);
    const first = settle(world, ["1", BAD, "3"]);
    await flush(world);
    const second = settle(world, ["4"]);
    await flush(world);
    expect(inHistory(d1)).toEqual([first[0], first[2], ...second]);
    const answer = read(world.shard, { v: 1, seqs: first.slice(1, 2) });
    expect(answer).toMatchObject({ ok: true, tasks: [{ status: "SUCCEEDED", result: BAD }] });
    world.evict();
    expect(read(world.shard, { v: 1, seqs: first.slice(1, 2) })).toMatchObject({ tasks: [{ result: BAD }] });
  });

  test("167 so many refused that one search does not find them all: the good ones among them reach D1 all the same", async () => {
    const d1 = new NodeD1();
    refuse(d1);
    const world = worldWith(d1);
    const bad = new Set<Seq>();
    const good: Seq[] = [];
    for (let i = 0; i < 10; i++)
      settle(
        world,
        Array.from({ length: 50 }, (_, n) => (n % 2 === 0 ? BAD : String(n))),
      ).forEach((seq, n) => {
        if (n % 2 === 0) bad.add(seq);
        else good.push(seq);
      });
    await flush(world);
    expect(inHistory(d1)).toEqual(good);
    expect(world.shard.memory.outbox).toMatchObject({ rows: 0, entries: 0, bytes: 0, refused: bad.size });
  });

  test("165 a database that is away or hangs loses nothing: all arrives when it is back", async () => {
    const d1 = new NodeD1();
    const world = worldWith(d1);
    d1.fault = () => {
      throw new Error("D1_ERROR: Network connection lost.");
    };
    const first = settle(world, ["1", "2"]);
    await flush(world, 3);
    expect(world.shard.memory.outbox.entries).toBe(2);
    d1.fault = () => new Promise(() => {});
    const second = settle(world, ["3"]);
    world.passTo(world.now + 120_000);
    d1.fault = () => {};
    await flush(world, 90);
    expect(inHistory(d1)).toEqual([...first, ...second]);
  });
});
