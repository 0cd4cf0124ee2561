/** A queue's history goes with it: in the background, over lost shards, a D1 that is away, and the loss of the object. */
import { describe, expect, it } from "vitest";
import { DEFAULT_TENANT, type QueueName, type Seq } from "../../core/ids.ts";
import type { NewTask } from "../../core/schema/rpc.ts";
import { submitTo } from "../../durable-objects/directory/fires/submit-fires.ts";
import { changeQueue } from "../../durable-objects/directory/queues/change-queue.ts";
import { deleteQueue } from "../../durable-objects/directory/queues/delete-queue.ts";
import { firstSeq } from "../../durable-objects/queue-shard/reads/first-seq.ts";
import { packBodies } from "../../history/outbox-body.ts";
import { rowOfRecord } from "../../history/record.ts";
import { writeHistory } from "../../history/write.ts";
import { NodeD1 } from "../support/node/d1.ts";
import { DirectoryWorld, START } from "../support/node/directory-world.ts";
import { DAY_MS, finished } from "../support/node/history-rows.ts";

const queue = "a" as QueueName;
const TASK: NewTask = { type: "echo", version: 1, priority: 5, payload: "1", runAt: null, options: null };
const HOUR_MS = 3_600_000;

async function made() {
  const world = new DirectoryWorld();
  const d1 = new NodeD1();
  world.database = d1;
  await put(world);
  return { world, d1 };
}
const put = (world: DirectoryWorld) =>
  changeQueue(world.directory(), { queue, patch: { shards: 2 }, replace: true, create: true });
const remove = (world: DirectoryWorld) => world.ask(deleteQueue(world.directory(), { queue, force: true }));

/** A task of a shard that D1 has. */
async function ended(world: DirectoryWorld, d1: NodeD1, shard: number): Promise<Seq> {
  const answer = await world.ask(submitTo(world.directory(), queue, shard, [TASK], 1_000));
  const seq = answer.ok ? answer.seqs[0] : null;
  if (!seq) throw new Error("not accepted");
  await write(world, d1, shard, seq);
  return seq;
}
async function write(world: DirectoryWorld, d1: NodeD1, shard: number, seq: Seq): Promise<void> {
  const row = rowOfRecord(finished(1, { seq }), START + 30 * DAY_MS);
  expect(
    await writeHistory(d1, { tenant: DEFAULT_TENANT, queue, shard }, packBodies([row]), world.ports),
  ).toMatchObject({
    ok: true,
  });
}
const kept = (d1: NodeD1) => d1.rows("SELECT seq FROM history ORDER BY seq").map(({ seq }) => seq);
const left = (world: DirectoryWorld) => world.rows("default", "SELECT * FROM gone").length;

describe("258 the history of a deleted queue", () => {
  it("is deleted in D1; what a flush brought late, an hour later; then nothing is kept of it", async () => {
    const { world, d1 } = await made();
    const old = [await ended(world, d1, 0), await ended(world, d1, 1)];
    await remove(world);
    await world.pass(5_000);
    expect(kept(d1)).toEqual([]);
    await write(world, d1, 0, old[0] as Seq);
    await put(world);
    const fresh = await ended(world, d1, 0);
    await world.evict();
    await world.pass(HOUR_MS + 10_000);
    expect([kept(d1), left(world)]).toEqual([[fresh], 0]);
  });

  it("waits for a shard that has not heard, and for D1; the new queue's tasks stay", async () => {
    const { world, d1 } = await made();
    await ended(world, d1, 0);
    const silent = await ended(world, d1, 1);
    world.faults.set("default:a:1", "throw");
    await remove(world);
    await put(world);
    d1.fault = () => {
      throw new Error("D1_ERROR: network connection lost");
    };
    await world.pass(10_000);
    expect(kept(d1)).toHaveLength(2);
    world.faults.clear();
    await world.pass(10_000);
    expect(world.logs.some((line) => line.includes("history-not-forgotten"))).toBe(true);
    await world.evict();
    d1.fault = () => {};
    const fresh = await ended(world, d1, 1);
    await world.pass(70_000);
    expect([kept(d1), fresh > silent]).toEqual([[fresh], true]);
  });

  it("is walked for once for all that are deleted meanwhile, and once more in an hour", async () => {
    const { world, d1 } = await made();
    const names = Array.from({ length: 40 }, (_, i) => `b${i}` as QueueName);
    for (const name of names) {
      await changeQueue(world.directory(), { queue: name, patch: {}, replace: true, create: true });
      await world.ask(submitTo(world.directory(), name, 0, [TASK], 1_000));
    }
    const stays = await ended(world, d1, 0);
    for (const name of names) {
      const row = rowOfRecord(finished(1, { seq: world.shard(name).memory.lastSeq as Seq }), START + 30 * DAY_MS);
      await writeHistory(d1, { tenant: DEFAULT_TENANT, queue: name, shard: 0 }, packBodies([row]), world.ports);
    }
    d1.calls.length = 0;
    for (const name of names) await world.ask(deleteQueue(world.directory(), { queue: name, force: true }));
    const walks = () => d1.calls.flat().filter((sql) => sql.startsWith("DELETE FROM history")).length;
    await world.pass(20_000);
    expect([kept(d1), walks() <= 3]).toEqual([[stays], true]);
    await world.evict();
    await world.pass(HOUR_MS + 20_000);
    expect([kept(d1), left(world), walks() <= 6]).toEqual([[stays], 0, true]);
    expect(world.rows("default", "SELECT * FROM walk")).toEqual([]);
  });

  it("is known by a mark, which a shard that has not heard of the new queue does not have", async () => {
    const { world, d1 } = await made();
    const old = await ended(world, d1, 0);
    const first = (generation: number) => firstSeq(world.shard("a", 0), { v: 1, generation });
    expect(first(1)).toMatchObject({ first: 0 });
    expect(first(2)).toMatchObject({ first: null });
    await remove(world);
    const mark = first(2);
    expect(mark.ok && mark.first !== null && mark.first > old).toBe(true);
    await put(world);
    const fresh = await ended(world, d1, 0);
    const later = first(2);
    expect(later.ok && later.first !== null && old < later.first && later.first <= fresh).toBe(true);
  });
});
