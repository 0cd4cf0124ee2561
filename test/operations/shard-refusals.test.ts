/** What a shard refuses because it holds too much: kinds of tasks, and history that D1 has not taken. */
import { describe, expect, it } from "vitest";
import { MAX_OUTBOX_BYTES } from "../../core/bytes.ts";
import { MAX_LANES } from "../../core/lanes.ts";
import { NodeD1 } from "../support/node/d1.ts";
import { makeWorld } from "../support/node/shard-world.ts";
import { accept, succeeded, WorkerHand } from "../support/node/worker-hand.ts";

const ALL_KEYS = Array.from({ length: MAX_LANES }, (_, i) => ({ limitKey: `key-${i}` }));
const OUTBOX = "INSERT INTO outbox (n, lo, hi, count, bytes, body) VALUES (1, 1, 1, 0, ?, '[]')";

describe("157 lanes of tasks with keys", () => {
  it("10,000 are held, one more is refused, one that is there already or has no key is not", () => {
    const world = makeWorld({ depthLimit: 20_000 });
    expect(world.submit(ALL_KEYS)).toMatchObject({ ok: true });
    expect(world.submit([{ limitKey: "one-more" }])).toMatchObject({ ok: false, code: "too-many-keys" });
    expect(world.submit([{ limitKey: "key-7" }])).toMatchObject({ ok: true });
    expect(world.submit([{ type: "another" }])).toMatchObject({ ok: true });
    const mixed = world.submit([{ limitKey: "key-8" }, { limitKey: "one-more" }], { atomic: false });
    expect(mixed).toMatchObject({ ok: true, refused: [{ index: 1, code: "too-many-keys" }] });
  });

  it("one whose tasks are gone makes room for another", () => {
    const world = makeWorld({ depthLimit: 20_000 });
    world.submit(ALL_KEYS);
    expect(world.open({ want: 1 })).toMatchObject({ ok: true, handout: { tasks: [{ type: "echo" }] } });
    expect(world.submit([{ limitKey: "one-more" }])).toMatchObject({ ok: true });
    expect(world.submit([{ limitKey: "two-more" }])).toMatchObject({ ok: false, code: "too-many-keys" });
  });

  it("tasks that were put off have theirs when they are due, beyond that too, and each runs", () => {
    const world = makeWorld({ depthLimit: 30_000, sessionMaxTasks: 30_000 });
    const later = { runAt: world.now + 1_000 };
    const ids = accept(world, ...ALL_KEYS.map((task) => ({ ...task, ...later })));
    ids.push(...accept(world, ...ALL_KEYS.map(({ limitKey }) => ({ limitKey: `other ${limitKey}`, ...later }))));
    world.passTo(world.now + 2_000);
    world.evict();
    expect(world.shard.memory.lanes).toMatchObject({ queued: ids.length, size: 2 * MAX_LANES });
    const hand = new WorkerHand(world);
    const ran = new Set<number>();
    while (hand.held.size > 0) {
      for (const { seq } of hand.tasks) ran.add(seq);
      hand.say({ outcomes: hand.tasks.map((task) => succeeded(world, task)), want: 1_000 });
    }
    expect(ran.size).toBe(ids.length);
  });
});

describe("158 history that D1 has not taken", () => {
  it("beyond 1 GiB of it submissions are refused, and taken again once it is written", async () => {
    const world = makeWorld();
    world.submit([{}]);
    world.shard.transact(() => world.shard.sql.run(OUTBOX, MAX_OUTBOX_BYTES + 1));
    world.evict();
    expect(world.submit([{}])).toMatchObject({ ok: false, code: "history-backlog" });

    world.history = new NodeD1();
    for (let i = 0; i < 5 && world.shard.memory.outbox.rows > 0; i++) {
      world.passTo(world.now + 1_000);
      await Promise.all(world.background.splice(0));
    }
    expect(world.shard.memory.outbox).toMatchObject({ rows: 0, bytes: 0 });
    expect(world.submit([{}])).toMatchObject({ ok: true });
  });
});
