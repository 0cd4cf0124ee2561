import { describe, expect, it } from "vitest";
import type { QueueName, TaskId } from "../../core/ids.ts";
import { placeTask } from "../../core/placement.ts";
import { fireEnded } from "../../durable-objects/directory/fires/end-fires.ts";
import { changeQueue } from "../../durable-objects/directory/queues/change-queue.ts";
import { putRoute } from "../../durable-objects/directory/routes/put-route.ts";
import { deleteSchedule } from "../../durable-objects/directory/schedules/delete-schedule.ts";
import { pauseSchedule } from "../../durable-objects/directory/schedules/save-schedule.ts";
import { tick } from "../../durable-objects/directory/tick.ts";
import { DirectoryWorld, START } from "../support/node/directory-world.ts";
import { add, at, cron, every, see } from "../support/node/schedules.ts";

const q = (name: string) => name as QueueName;
const times = (world: DirectoryWorld, queue = "default", shard = 0) =>
  world.tasks(queue, shard).map((task) => task.created_at - START);

async function makeQueue(world: DirectoryWorld, name: string, patch: object): Promise<void> {
  const answer = await changeQueue(world.directory(), { queue: q(name), patch, replace: true, create: true });
  if (!answer.ok) throw new Error(answer.detail);
}

describe("a fire becomes a task", () => {
  it("E1 170 at its exact moment, each moment once, with what the schedule says", async () => {
    const world = new DirectoryWorld();
    await add(world, "a", every(10, { payload: '{"n":7}', priority: 8, type: "sleep" }));
    await world.pass(35_000);
    expect(times(world)).toEqual([10_000, 20_000, 30_000]);
    expect(world.tasks()[0]).toMatchObject({ type: "sleep", payload: '{"n":7}', priority: 8 });
    const [row] = world.rows<{ key: string; expires_at: number }>(
      "default:default:0",
      "SELECT * FROM dedup ORDER BY key",
    );
    expect(row).toMatchObject({
      key: `sched:a:${START + 10_000}:${START}`,
      expires_at: START + 10_000 + 7 * 86_400_000,
    });
    const seen = await see(world, "a");
    expect(seen).toMatchObject({ fires: 3, missedCount: 0, lastFireAt: START + 30_000, nextAt: START + 40_000 });
    expect(seen.lastTaskId).toMatch(/^default\.0\.[0-9a-v]{11}$/);
  });

  it("170 of its own, where the schedule was deleted and made again for the same moment; the old one's end is nobody's", async () => {
    const world = new DirectoryWorld();
    await add(world, "a", at(START + 1_000, { payload: '"first"' }));
    await world.pass(1_500);
    const first = (await see(world, "a")).lastTaskId;
    await deleteSchedule(world.directory(), { id: "a" });
    await add(world, "a", at(START + 1_000, { payload: '"second"' }));
    await world.pass(1_000);
    expect(world.tasks().map(({ payload }) => payload)).toEqual(['"first"', '"second"']);
    await deleteSchedule(world.directory(), { id: "a" });
    await add(world, "a", every(60));
    const end = { schedule: "a", fireAt: START + 1_000, made: first ?? ("" as TaskId), endedAt: world.now } as const;
    await fireEnded(world.directory(), { v: 1, ends: [{ ...end, status: "FAILED", error: null }] });
    expect(await see(world, "a")).toMatchObject({ lastStatus: null, failuresInRow: 0 });
  });

  it("219 with a time to begin in, which counts from the submission of each: also of one that came late", async () => {
    const world = new DirectoryWorld();
    await add(world, "a", every(10, { ttlMs: 4_000 }));
    const begin = () =>
      world.rows<{ at: number }>("default:default:0", "SELECT expires_at AS at FROM task ORDER BY seq");
    await world.pass(10_000);
    expect(begin().map(({ at }) => at - START)).toEqual([14_000]);
    world.stand(15_000);
    await world.pass(0);
    expect(begin().map(({ at }) => at - START)).toEqual([14_000, 29_000]);
  });

  it("E1 169 170 cron in its zone, and a moment", async () => {
    const world = new DirectoryWorld();
    await add(world, "a", cron("30 12 * * *", {}, "Europe/Vienna"));
    await add(world, "b", at(START + 1_234));
    await world.pass(3_600_000);
    expect(times(world)).toEqual([1_234, 30 * 60_000]);
    expect(await see(world, "b")).toMatchObject({ nextAt: null, fires: 1, lastFireAt: START + 1_234 });
  });

  it("C2 105 goes where its type is routed when it fires, or to its own queue", async () => {
    const world = new DirectoryWorld();
    await add(world, "a", every(10));
    await add(world, "b", every(10, { queue: q("default") }));
    await world.pass(10_000);
    await putRoute(world.directory(), { type: "echo", queue: q("other") });
    await world.pass(10_000);
    expect(times(world)).toEqual([10_000, 10_000, 20_000]);
    expect(times(world, "other")).toEqual([20_000]);
  });

  it("123 goes to the shard that its id has among keyShards, whatever `shards` is", async () => {
    const world = new DirectoryWorld();
    await makeQueue(world, "k", { keyShards: 8, shards: 2 });
    const shard = placeTask({ shards: 2, keyShards: 8 }, "some-id", 0);
    expect(shard).toBeGreaterThan(1);
    await add(world, "some-id", every(10, { queue: q("k") }));
    await world.pass(25_000);
    expect(times(world, "k", shard)).toEqual([10_000, 20_000]);
  });

  it("182 brings the settings to a shard that has none, and a change before the next fire", async () => {
    const world = new DirectoryWorld();
    await makeQueue(world, "k", { slots: 3 });
    await add(world, "a", every(10, { queue: q("k") }));
    await world.pass(10_000);
    expect(world.shard("k").memory.settings).toMatchObject({ slots: 3, version: 1 });
    world.faults.set("default:k", "throw");
    await makeQueue(world, "k", { slots: 4 });
    world.faults.clear();
    await tick(world.directory());
    await world.pass(10_000);
    expect(world.shard("k").memory.settings).toMatchObject({ slots: 4, version: 2 });
  });

  it("a hundred at one moment are one call a shard, more are sent by the next alarm at once", async () => {
    const world = new DirectoryWorld();
    for (let i = 0; i < 130; i++) await add(world, `s${i}`, at(START + 5_000));
    await world.pass(5_000);
    expect(world.tasks()).toHaveLength(130);
    expect(new Set(times(world))).toEqual(new Set([5_000]));
    // One more for `settings-needed`.
    expect(world.countCalls("submit")).toBe(3);
    expect(world.rows("default", "SELECT * FROM pending")).toEqual([]);
  });

  it("155 large payloads are cut into calls by bytes", async () => {
    const world = new DirectoryWorld();
    const payload = JSON.stringify("x".repeat(255 * 1024));
    for (let i = 0; i < 50; i++) await add(world, `s${i}`, at(START + 5_000, { payload }));
    await world.pass(5_000);
    expect(world.tasks()).toHaveLength(50);
    expect(world.countCalls("submit")).toBe(3);
  });

  it("sets the alarm twice for each moment of fires: should their answers be lost, and for the next", async () => {
    const world = new DirectoryWorld();
    for (const id of ["a", "b", "c"]) await add(world, id, every(10));
    await world.pass(15_000);
    const before = world.alarmsSet;
    await world.pass(100_000);
    expect(world.tasks()).toHaveLength(33);
    expect(world.alarmsSet - before).toBe(20);
  });
});

describe("a fire that does not get through", () => {
  it("112 170 an answer that was lost makes no second task", async () => {
    const world = new DirectoryWorld();
    await add(world, "a", every(600));
    await world.pass(601_000);
    world.faults.set("default:", "lose");
    await world.pass(600_000);
    expect(times(world)).toEqual([600_000, 1_200_000]);
    expect(await see(world, "a")).toMatchObject({ fires: 1 });
    world.faults.clear();
    await world.pass(10_000);
    expect(times(world)).toEqual([600_000, 1_200_000]);
    expect(await see(world, "a")).toMatchObject({ fires: 2, missedCount: 0, lastFireAt: START + 1_200_000 });
    expect(world.rows("default", "SELECT * FROM pending")).toEqual([]);
  });

  it("174 is tried again after 2, 4, 8 … 60 s", async () => {
    const world = new DirectoryWorld();
    world.faults.set("default:", { v: 1, ok: false, code: "history-backlog", detail: "full" });
    await add(world, "a", at(START));
    await world.pass(250_000);
    const tried = world.calls.map((call) => (call.at - START) / 1_000);
    expect(tried).toEqual([0, 2, 6, 14, 30, 62, 122, 182, 242]);
    world.faults.clear();
    await world.pass(60_000);
    expect(times(world)).toEqual([302_000]);
    expect(await see(world, "a")).toMatchObject({ fires: 1, missedCount: 0, lastFireAt: START });
  });

  it("174 a full queue takes it when it has room, and its neighbours' fires meanwhile", async () => {
    const world = new DirectoryWorld();
    await makeQueue(world, "k", { depthLimit: 1 });
    await add(world, "a", at(START + 1_000, { queue: q("k") }));
    await add(world, "b", at(START + 1_000, { queue: q("k") }));
    await add(world, "c", at(START + 1_000));
    await world.pass(60_000);
    expect([world.tasks("k").length, world.tasks().length]).toEqual([1, 1]);
    await changeQueue(world.directory(), { queue: q("k"), patch: { depthLimit: 9 }, replace: false, create: false });
    await world.pass(60_000);
    expect(world.tasks("k")).toHaveLength(2);
    expect([(await see(world, "a")).fires, (await see(world, "b")).fires]).toEqual([1, 1]);
  });

  it("174 refused until the next one is due, it is missed, and an operator is told why", async () => {
    const world = new DirectoryWorld();
    await makeQueue(world, "k", { depthLimit: 1 });
    await add(world, "full", at(START, { queue: q("k") }));
    await add(world, "a", every(60, { queue: q("k") }));
    await world.pass(121_000);
    expect(await see(world, "a")).toMatchObject({ fires: 0, missedCount: 1, nextAt: START + 180_000 });
    const missed = world.rows<{ detail: string }>("default", "SELECT detail FROM event WHERE kind = 'fire-missed'");
    expect(missed).toEqual([
      { detail: expect.stringMatching(/^a: the fire of 2026-05-01T10:01:00.000Z .*queue-full \(queue k\)/) },
    ]);
    expect(world.logs.some((line) => JSON.parse(line).event === "fire-missed")).toBe(true);
  });

  it("174 refused for ever, it is missed at once", async () => {
    const world = new DirectoryWorld();
    world.faults.set("default:", { v: 1, ok: false, code: "type-unknown", detail: "no such type" });
    await add(world, "a", at(START + 1_000));
    await world.pass(10_000);
    expect(world.countCalls("submit")).toBe(1);
    expect(await see(world, "a")).toMatchObject({ fires: 0, missedCount: 1 });
  });

  it("174 a shard that is silent holds no other fire back, not even its own schedule's", async () => {
    const world = new DirectoryWorld();
    await makeQueue(world, "k", {});
    world.faults.set("default:k:", "hang");
    await add(world, "a", every(1, { queue: q("k") }));
    await add(world, "b", every(1));
    await world.pass(5_500);
    expect(times(world)).toEqual([1_000, 2_000, 3_000, 4_000, 5_000]);
    world.faults.clear();
    await world.pass(5_000);
    expect(times(world, "k")).toHaveLength(10);
    expect(await see(world, "a")).toMatchObject({ fires: 10, missedCount: 0 });
  });

  it("174 175 on its way when its schedule is paused, it is not missed before its call has ended", async () => {
    const world = new DirectoryWorld();
    await makeQueue(world, "k", {});
    world.faults.set("default:k:", "hang");
    await add(world, "a", every(10, { queue: q("k") }));
    await world.pass(10_000);
    await pauseSchedule(world.directory(), { id: "a", paused: true });
    expect(await see(world, "a")).toMatchObject({ missedCount: 0 });
    await world.pass(5_000);
    expect(await see(world, "a")).toMatchObject({ missedCount: 1 });
    world.faults.clear();
    await world.pass(60_000);
    expect(times(world, "k")).toEqual([]);
  });

  it.each(["throw", "hang", "lose"] as const)(
    "174 with `all`, what a shard does not answer (%s) is one task each, however long that takes",
    async (fault) => {
      const world = new DirectoryWorld();
      await add(world, "a", every(10, { missed: "all" }));
      await world.pass(15_000);
      world.faults.set("default:", fault);
      await world.pass(300_000);
      world.faults.clear();
      await world.pass(125_000);
      expect(world.tasks()).toHaveLength(44);
      expect(await see(world, "a")).toMatchObject({ fires: 44, missedCount: 0 });
    },
  );

  it("174 with `once`, it is given up a minute late, when a later one stands for it", async () => {
    const world = new DirectoryWorld();
    await add(world, "a", every(10));
    world.faults.set("default:", "throw");
    await world.pass(300_000);
    world.faults.clear();
    await world.pass(65_000);
    const { fires, missedCount } = await see(world, "a");
    expect(fires + missedCount).toBe(36);
    expect(world.tasks()).toHaveLength(fires);
    expect(fires).toBeGreaterThanOrEqual(6);
  });

  it("170 174 in flight when the object dies, over a downtime of more than its period, it is one task still", async () => {
    const world = new DirectoryWorld();
    await add(world, "a", every(10, { missed: "all" }));
    await world.pass(15_000);
    world.faults.set("default:", "hang");
    await world.pass(5_100);
    await world.evict();
    world.faults.clear();
    world.stand(40_000);
    await world.pass(1_000);
    expect(world.tasks()).toHaveLength(6);
    expect(await see(world, "a")).toMatchObject({ fires: 6, missedCount: 0 });
  });

  it("170 survives the death of the object between record and call", async () => {
    const world = new DirectoryWorld();
    await add(world, "a", every(600));
    world.faults.set("default:", "hang");
    await world.pass(600_000);
    world.faults.clear();
    await world.evict();
    await world.pass(2_000);
    expect(times(world)).toEqual([602_000]);
    expect(await see(world, "a")).toMatchObject({ fires: 1 });
  });
});
