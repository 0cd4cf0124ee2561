/** A queue that drains takes nothing new and works off what it has. */
import { describe, expect, it } from "vitest";
import { DEFAULT_SETTINGS, type QueueSettings } from "../../core/schema/queue-settings.ts";
import { configure } from "../../durable-objects/queue-shard/configure.ts";
import { makeWorld, type ShardWorld } from "../support/node/shard-world.ts";
import { accept, failed, nth, WorkerHand } from "../support/node/worker-hand.ts";

function tell(world: ShardWorld, version: number, settings: Partial<QueueSettings>): void {
  configure(world.shard, { v: 1, settings: { ...DEFAULT_SETTINGS, ...settings, version } });
}

describe("256 a draining queue", () => {
  it("refuses what is new, one by one and whole batches, and says when to come again", () => {
    const world = makeWorld();
    accept(world, {});
    tell(world, 2, { draining: true });
    expect(world.submit([{}])).toMatchObject({ ok: false, code: "draining", retryAfterMs: 1_000 });
    expect(world.submit([{}, {}], { atomic: false })).toMatchObject({
      ok: true,
      seqs: [null, null],
      refused: [
        { index: 0, code: "draining" },
        { index: 1, code: "draining" },
      ],
    });
    expect(world.shard.memory.lanes.queued).toBe(1);
  });

  it("answers what it already knows", () => {
    const world = makeWorld();
    const dedup = { key: "k", ttlMs: 60_000 };
    const [known] = accept(world, { dedup });
    tell(world, 2, { draining: true });
    expect(world.submit([{ dedup }])).toMatchObject({ ok: true, seqs: [known], duplicates: [0] });
  });

  it("works off what it has, retries and tasks put off too, and takes new ones when it is resumed", () => {
    const world = makeWorld({ retry: { baseMs: 1_000 } });
    accept(world, {}, { runAt: world.now + 5_000 });
    tell(world, 2, { draining: true });
    const hand = new WorkerHand(world);
    hand.say({ outcomes: [failed(world, nth(hand.tasks, 0), true)], want: 4 });
    world.passTo(world.now + 1_000);
    hand.say({ want: 4 });
    expect(hand.tasks.map(({ attempt }) => attempt)).toEqual([2]);
    world.passTo(world.now + 4_000);
    hand.say({ want: 4 });
    expect(hand.tasks).toHaveLength(2);
    tell(world, 3, {});
    accept(world, {});
  });
});
