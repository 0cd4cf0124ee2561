/** What ties a task to keys stands in its view while it lives, and in its record however it ends. */
import { describe, expect, it } from "vitest";
import { findInOutbox } from "../../durable-objects/queue-shard/ended/outbox.ts";
import { cancel } from "../../durable-objects/queue-shard/waiting/cancel.ts";
import { makeWorld } from "../support/node/shard-world.ts";
import { accept, failed, nth, succeeded, taskAt, WorkerHand } from "../support/node/worker-hand.ts";

describe("241 the keys of a task", () => {
  it("stand in its view and in its record, whether it succeeded, failed or was cancelled", () => {
    const world = makeWorld();
    const keys = { limitKey: "k", fairnessKey: "f" };
    const seqs = accept(world, keys, { fairnessKey: "f" }, { limitKey: "k" }, {});
    expect(seqs.map((seq) => taskAt(world, seq)?.links)).toEqual([
      keys,
      { fairnessKey: "f" },
      { limitKey: "k" },
      undefined,
    ]);
    cancel(world.shard, { v: 1, seq: nth(seqs, 2) });
    const hand = new WorkerHand(world);
    hand.say({
      outcomes: hand.tasks.map((one) => (one.seq === seqs[1] ? failed(world, one, false) : succeeded(world, one))),
    });
    const records = findInOutbox(world.shard, seqs).sort((a, b) => a.seq - b.seq);
    expect(records.map(({ status, links }) => [status, links])).toEqual([
      ["SUCCEEDED", keys],
      ["FAILED", { fairnessKey: "f" }],
      ["CANCELLED", { limitKey: "k" }],
      ["SUCCEEDED", undefined],
    ]);
  });
});
