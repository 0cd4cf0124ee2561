/** A finished task is run again: what the shard does in the commit that accepts the new one. */
import { describe, expect, it } from "vitest";
import { taskId } from "../../core/ids.ts";
import { MAX_REPLAYS_TOLD, replayOf } from "../../core/replay.ts";
import type { SubmitRequest } from "../../core/schema/rpc.ts";
import { NO_PAYLOAD, type TaskRecord } from "../../core/task.ts";
import { findInOutbox } from "../../durable-objects/queue-shard/ended/outbox.ts";
import { makeWorld, type ShardWorld } from "../support/node/shard-world.ts";
import { accept, failed, nth, succeeded, taskAt, WorkerHand } from "../support/node/worker-hand.ts";

const idOf = (world: ShardWorld, { seq }: { readonly seq: number }) => taskId(world.shard.address, seq as never);

/** A task that has ended, as a read finds it. */
function ended(world: ShardWorld, task: object, end = succeeded): TaskRecord {
  const seq = nth(accept(world, task), 0);
  const hand = new WorkerHand(world);
  hand.say({ outcomes: hand.tasks.map((one) => end(world, one)) });
  hand.close();
  const [record] = findInOutbox(world.shard, [seq]);
  if (!record) throw new Error("it has not ended");
  return taskAt(world, seq) ?? record;
}

const fails: typeof succeeded = (world, task) => failed(world, task, false);

function replay(world: ShardWorld, record: TaskRecord, request: Partial<SubmitRequest> = {}) {
  const answer = world.submit([replayOf(record, idOf(world, record), {})], { repeats: record, ...request });
  if (!answer.ok) throw new Error(answer.code);
  return { answer, seq: nth(answer.seqs, 0) ?? (0 as never) };
}

describe("278 the new task", () => {
  it("has what the old one was told, attempts of its own, and says whom it repeats", () => {
    const world = makeWorld();
    const told = { priority: 8, payload: '"p"', limitKey: "k", fairnessKey: "f", expiresAt: world.now + 60_000 };
    const options = { retry: { maxAttempts: 2 }, tags: ["t"], timeoutMs: 7 };
    const old = ended(world, { ...told, options: JSON.stringify(options) }, fails);
    const { seq } = replay(world, old);
    expect(taskAt(world, seq)).toMatchObject({
      status: "QUEUED",
      priority: 8,
      payload: '"p"',
      attempts: [],
      tags: ["t"],
      options: { retry: { maxAttempts: 2 }, timeoutMs: 7 },
      links: { limitKey: "k", fairnessKey: "f", replayOf: idOf(world, old) },
    });
    expect(taskAt(world, seq)).not.toHaveProperty("startBy");
  });

  it("is told otherwise what the edit names", () => {
    const world = makeWorld();
    const decided = { unique: { by: "payload" }, debounceSeconds: 1, throttleSeconds: 1, cacheMode: "refresh" };
    const old = ended(world, { payload: "1", options: JSON.stringify({ ...decided, timeoutMs: 5 }) });
    expect(replayOf(old, idOf(world, old), {}).options).toBe(`{"timeoutMs":5,"replayOf":"${idOf(world, old)}"}`);
    const payload = { text: "2", version: 3 };
    expect(replayOf(old, idOf(world, old), { priority: 0, runAt: 5, payload })).toMatchObject({
      priority: 0,
      runAt: 5,
      payload: "2",
      version: 3,
    });
  });
});

describe("279 the old task", () => {
  it("where it is a dead letter stays one, and tells in its row and its record who repeats it", () => {
    const world = makeWorld();
    const old = ended(world, { options: JSON.stringify({ keepPayload: false }), payload: '"secret"' }, fails);
    const first = replay(world, old);
    const second = replay(world, old);
    const replayedBy = [idOf(world, first), idOf(world, second)];
    world.evict();
    expect(taskAt(world, old.seq)).toMatchObject({
      status: "FAILED",
      rev: old.rev + 2,
      payload: '"secret"',
      options: { keepPayload: false },
      links: { replayedBy },
    });
    expect(world.shard.memory.dead.count).toBe(1);
    expect(findInOutbox(world.shard, [old.seq])).toMatchObject([
      { status: "FAILED", rev: old.rev + 2, payload: NO_PAYLOAD, links: { replayedBy } },
    ]);
  });

  it("tells it in its record where that waits for D1, and where only the caller has read it", () => {
    const world = makeWorld();
    const old = ended(world, { payload: '"p"' });
    const first = replay(world, old);
    // As another caller read it before: the outbox knows better.
    const second = replay(world, old);
    const kept = findInOutbox(world.shard, [old.seq]);
    expect(kept).toMatchObject([
      {
        rev: old.rev + 2,
        payload: '"p"',
        result: "null",
        links: { replayedBy: [idOf(world, first), idOf(world, second)] },
      },
    ]);
    world.shard.transact(() => world.shard.sql.run("DELETE FROM outbox"));
    const third = replay(world, { ...old, rev: 9 });
    expect(findInOutbox(world.shard, [old.seq])).toMatchObject([
      { rev: 10, links: { replayedBy: [idOf(world, third)] } },
    ]);
  });

  it("tells of the latest only, and is kept no longer for it", () => {
    const world = makeWorld();
    const old = ended(world, {}, fails);
    for (let i = 0; i <= MAX_REPLAYS_TOLD; i++) replay(world, old);
    expect(taskAt(world, old.seq)?.links?.replayedBy).toHaveLength(MAX_REPLAYS_TOLD);
    world.passTo(world.now + 60_000);
    const last = replay(world, old);
    expect(taskAt(world, old.seq)?.links?.replayedBy?.at(-1)).toBe(idOf(world, last));
    const [record] = findInOutbox(world.shard, [old.seq]);
    expect((record as { expiresAt?: number }).expiresAt).toBe((old.endedAt ?? 0) + 30 * 86_400_000);
  });

  it("is left alone by a submission that is refused, or that was made before", () => {
    const world = makeWorld({ depthLimit: 1 });
    const old = ended(world, {}, fails);
    const idempotency = { key: "k", fingerprint: "f" };
    const first = replay(world, old, { idempotency });
    const again = replay(world, old, { idempotency });
    expect([again.seq, again.answer.replayed]).toEqual([first.seq, true]);
    expect(() => replay(world, old)).toThrow("queue-full");
    expect(taskAt(world, old.seq)?.links?.replayedBy).toEqual([idOf(world, first)]);
  });
});
