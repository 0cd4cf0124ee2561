/** What a shard does when its storage fails it: all of a write or none, memory as the tables are, and it comes back to it. */
import { describe, expect, it } from "vitest";
import { loadMemory } from "../../durable-objects/queue-shard/load-memory.ts";
import { makeWorld, type ShardWorld } from "../support/node/shard-world.ts";
import { accept, many, nth, succeeded, taskAt, WorkerHand } from "../support/node/worker-hand.ts";

/** Fails once, at the next statement that begins so. */
function failNext(world: ShardWorld, beginning: string): void {
  const { sql } = world.shard;
  for (const method of ["all", "rows", "run"] as const) {
    const real: (statement: string, ...values: never[]) => unknown = sql[method];
    Object.assign(sql, {
      [method](statement: string, ...values: never[]) {
        if (!statement.startsWith(beginning)) return real(statement, ...values);
        Object.assign(sql, { [method]: real });
        throw new Error("disk I/O error");
      },
    });
  }
}

function expectMemoryAsTables(world: ShardWorld): void {
  const { memory, sql } = world.shard;
  const fresh = loadMemory(sql, null);
  expect([memory.lanes.queued, memory.running, memory.due, memory.dead, memory.outbox]).toEqual([
    fresh.lanes.queued,
    fresh.running,
    fresh.due,
    fresh.dead,
    fresh.outbox,
  ]);
}

describe("a write that fails", () => {
  it.each([
    "DELETE FROM task",
    "UPDATE task SET status = 'RUNNING'",
    "INSERT INTO outbox",
    "INSERT OR REPLACE INTO session",
  ])("128 in a turn, at %s, leaves nothing of the turn; the same turn then does all of it", (beginning) => {
    const world = makeWorld({ slots: 2 });
    accept(world, ...many(5));
    const hand = new WorkerHand(world);
    const [first, second] = [nth(hand.tasks, 0), nth(hand.tasks, 1)];
    const request = {
      session: hand.session,
      turn: 1,
      holding: [second.seq],
      outcomes: [succeeded(world, first)],
      want: 1,
    };
    failNext(world, beginning);
    expect(() => world.advance(request)).toThrow("disk I/O error");
    expect(taskAt(world, first.seq)?.status).toBe("RUNNING");
    expectMemoryAsTables(world);
    expect(world.advance(request)).toMatchObject({ ok: true, handout: { tasks: [{ started: true }], lost: [] } });
    expect(taskAt(world, first.seq)?.status).toBe("SUCCEEDED");
    expectMemoryAsTables(world);
  });

  it("111 after a submission was written does not undo its answer, and the alarm makes good for what was to follow", async () => {
    const world = makeWorld();
    accept(world, {});
    const hand = new WorkerHand(world);
    hand.ask({ outcomes: hand.tasks.map((task) => succeeded(world, task)), want: 6, waitMs: 15_000 });
    failNext(world, "UPDATE task SET status = 'RUNNING'");
    const [seq] = accept(world, {});
    expect(world.late).toEqual([]);
    await expect(Promise.all(world.background.splice(0))).rejects.toThrow("disk I/O error");
    world.passTo(world.now + 1_000);
    expect(world.late).toMatchObject([{ ok: true, handout: { tasks: [{ seq }] } }]);
  });
});
