/** A batch that is waited for: answered when the last of it has ended, or when the time is up. */
import { describe, expect, it } from "vitest";
import type { BatchAnswer } from "../../core/schema/rpc.ts";
import { drain } from "../../durable-objects/queue-shard/drain.ts";
import { waitBatch } from "../../durable-objects/queue-shard/reads/wait-batch.ts";
import { makeWorld, type ShardWorld } from "../support/node/shard-world.ts";
import { accept, failed, many, nth, succeeded, WorkerHand } from "../support/node/worker-hand.ts";

/** What was answered; empty while the question is open. */
function ask(world: ShardWorld, first: Parameters<typeof waitBatch>[1]["first"], count: number, waitMs: number) {
  const answers: BatchAnswer[] = [];
  waitBatch(world.shard, { v: 1, first, count, waitMs }, (answer) => answers.push(answer));
  return answers;
}

describe("286 a batch that is waited for", () => {
  it("is answered when its last task has ended, whichever that is", () => {
    const world = makeWorld({ slots: 4, retry: { maxAttempts: 1 } });
    const seqs = accept(world, ...many(4));
    const hand = new WorkerHand(world);
    const [one, two, three, four] = [0, 1, 2, 3].map((i) => nth(hand.tasks, i));
    if (!one || !two || !three || !four) throw new Error("four tasks were to be handed out");
    const answers = ask(world, nth(seqs, 0), 4, 30_000);
    hand.say({ outcomes: [succeeded(world, four), failed(world, three, false)] });
    hand.say({ outcomes: [succeeded(world, one)] });
    expect(answers).toEqual([]);
    hand.say({ outcomes: [succeeded(world, two)] });
    expect(answers).toMatchObject([{ ok: true, counts: { SUCCEEDED: 3, FAILED: 1 } }]);
    expect(world.shard.waiters.size).toBe(0);
  });

  it("is answered as it stands when the time is up, and at once where nothing is to be waited for", () => {
    const world = makeWorld();
    const seqs = accept(world, ...many(3));
    const answers = ask(world, nth(seqs, 0), 3, 5_000);
    world.passTo(world.now + 4_999);
    expect(answers).toEqual([]);
    world.passTo(world.now + 1);
    expect(answers).toMatchObject([{ ok: true, counts: { QUEUED: 3 } }]);
    expect(ask(world, nth(seqs, 0), 3, 0)).toHaveLength(1);
    expect(ask(makeWorld(), nth(seqs, 0), 3, 5_000)).toMatchObject([{ ok: true, counts: {} }]);
  });

  it("is answered at once when the service stops", () => {
    const world = makeWorld();
    const seqs = accept(world, ...many(3));
    const answers = ask(world, nth(seqs, 0), 3, 5_000);
    drain(world.shard);
    expect(answers).toMatchObject([{ ok: true, counts: { QUEUED: 3 } }]);
  });
});
