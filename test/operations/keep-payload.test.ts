/** `keepPayload: false`: what history is given of a task, however it ends. */
import { describe, expect, it } from "vitest";
import { NO_PAYLOAD } from "../../core/task.ts";
import { findInOutbox } from "../../durable-objects/queue-shard/ended/outbox.ts";
import { cancel } from "../../durable-objects/queue-shard/waiting/cancel.ts";
import { makeWorld, type ShardWorld } from "../support/node/shard-world.ts";
import { accept, failed, nth, succeeded, taskAt, WorkerHand } from "../support/node/worker-hand.ts";

/** Ends a task in each way; gives the payloads that are on their way to history. */
function payloadsOf(options: object): string[] {
  const world = makeWorld();
  const task = { payload: '"secret"', options: JSON.stringify(options) };
  const seqs = accept(world, task, task, task, { ...task, expiresAt: world.now + 1 });
  const [good, bad, gone] = seqs;
  if (good === undefined || bad === undefined || gone === undefined) throw new Error("not accepted");
  cancel(world.shard, { v: 1, seq: gone });
  world.passTo(world.now + 1);
  const hand = new WorkerHand(world);
  expect(hand.tasks.map(({ payload }) => payload)).toEqual(['"secret"', '"secret"']);
  hand.say({
    outcomes: hand.tasks.map((one) => (one.seq === good ? succeeded(world, one) : failed(world, one, false))),
  });
  return inOutbox(world, seqs);
}

function inOutbox(world: ShardWorld, seqs: Parameters<typeof findInOutbox>[1]): string[] {
  const records = findInOutbox(world.shard, seqs);
  expect(records.map(({ status }) => status).sort()).toEqual(["CANCELLED", "EXPIRED", "FAILED", "SUCCEEDED"]);
  return records.map(({ payload }) => payload);
}

describe("225 keepPayload", () => {
  it("false: no record has the payload, and the handler had it; else each has", () => {
    expect(payloadsOf({ keepPayload: false })).toEqual([NO_PAYLOAD, NO_PAYLOAD, NO_PAYLOAD, NO_PAYLOAD]);
    expect(payloadsOf({ keepPayload: true })).toEqual(['"secret"', '"secret"', '"secret"', '"secret"']);
    expect(payloadsOf({})).toEqual(['"secret"', '"secret"', '"secret"', '"secret"']);
  });

  it("false: a dead letter has it, or it could not be run again", () => {
    const world = makeWorld();
    const seq = nth(accept(world, { payload: "7", options: JSON.stringify({ keepPayload: false }) }), 0);
    const hand = new WorkerHand(world);
    hand.say({ outcomes: hand.tasks.map((task) => failed(world, task, false)) });
    expect(taskAt(world, seq)).toMatchObject({ status: "FAILED", payload: "7" });
  });
});
