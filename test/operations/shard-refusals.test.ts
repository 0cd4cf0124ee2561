/** What a shard refuses because it holds too much: kinds of tasks, and history that D1 has not taken. */
import { describe, expect, it } from "vitest";
import { MAX_OUTBOX_BYTES } from "../../core/bytes.ts";
import { MAX_LANES } from "../../core/lanes.ts";
import { NodeD1 } from "../support/node/d1.ts";
import { makeWorld } from "../support/node/shard-world.ts";

const ALL_TYPES = Array.from({ length: MAX_LANES }, (_, i) => ({ type: `kind-${i}` }));
const OUTBOX = "INSERT INTO outbox (n, lo, hi, count, bytes, body) VALUES (1, 1, 1, 0, ?, '[]')";

describe("157 kinds of tasks", () => {
  it("10,000 are held, one more is refused, one that is there already is not", () => {
    const world = makeWorld({ depthLimit: 20_000 });
    expect(world.submit(ALL_TYPES)).toMatchObject({ ok: true });
    expect(world.submit([{ type: "one-more" }])).toMatchObject({ ok: false, code: "too-many-keys" });
    expect(world.submit([{ type: "kind-7" }])).toMatchObject({ ok: true });
    const mixed = world.submit([{ type: "kind-8" }, { type: "one-more" }], { atomic: false });
    expect(mixed).toMatchObject({ ok: true, refused: [{ index: 1, code: "too-many-keys" }] });
  });

  it("a kind whose tasks are gone makes room for another", () => {
    const world = makeWorld({ depthLimit: 20_000 });
    world.submit(ALL_TYPES);
    const types = { "kind-0": 1 };
    const opened = world.open({ worker: { name: "w", kind: "consumer", types, boot: null }, want: 1 });
    expect(opened).toMatchObject({ ok: true, handout: { tasks: [{ type: "kind-0" }] } });
    expect(world.submit([{ type: "one-more" }])).toMatchObject({ ok: true });
    expect(world.submit([{ type: "two-more" }])).toMatchObject({ ok: false, code: "too-many-keys" });
  });
});

describe("158 history that D1 has not taken", () => {
  it("beyond 1 GiB of it submissions are refused, and taken again once it is written", async () => {
    const world = makeWorld();
    world.submit([{}]);
    world.shard.transact(() => world.shard.sql.run(OUTBOX, MAX_OUTBOX_BYTES + 1));
    world.evict();
    expect(world.submit([{}])).toMatchObject({ ok: false, code: "history-backlog", retryAfterMs: 30_000 });

    world.history = new NodeD1();
    for (let i = 0; i < 5 && world.shard.memory.outbox.rows > 0; i++) {
      world.passTo(world.now + 1_000);
      await Promise.all(world.background.splice(0));
    }
    expect(world.shard.memory.outbox).toMatchObject({ rows: 0, bytes: 0 });
    expect(world.submit([{}])).toMatchObject({ ok: true });
  });
});
