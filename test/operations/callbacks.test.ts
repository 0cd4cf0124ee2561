/** Every end of a task is told: to its own callback, and to the webhooks of its queue. */
import { describe, expect, it } from "vitest";
import { configure } from "../../durable-objects/queue-shard/configure.ts";
import { cancel } from "../../durable-objects/queue-shard/waiting/cancel.ts";
import { purge } from "../../durable-objects/queue-shard/waiting/purge.ts";
import { calledBack, deliveriesOf, hook, hooksWorld, passIn, SIGNING, succeedAll } from "../support/node/hooks.ts";
import type { ShardWorld } from "../support/node/shard-world.ts";
import { accept, cancelled, failed, nth, succeeded, WorkerHand } from "../support/node/worker-hand.ts";

const URL = "https://example.com/ended";

/** Ends tasks in every way that there is; each by its way. */
function endAll(world: ShardWorld, task: object): Record<string, number> {
  const [purged, lost] = [nth(accept(world, { ...task, type: "rare" }), 0), nth(accept(world, task), 0)];
  const silent = new WorkerHand(world, { want: 1 });
  silent.say({ started: silent.tasks.map(({ seq }) => seq) });
  const [done, wrong, stopped, called, over] = accept(
    world,
    task,
    task,
    task,
    { ...task, runAt: world.now + 60_000 },
    { ...task, runAt: world.now + 60_000, expiresAt: world.now + 1_000 },
  );
  const hand = new WorkerHand(world);
  const held = (seq: number | undefined) =>
    nth(
      hand.tasks.filter((one) => one.seq === seq),
      0,
    );
  cancel(world.shard, { v: 1, seq: called as never });
  cancel(world.shard, { v: 1, seq: stopped as never });
  hand.say({
    outcomes: [succeeded(world, held(done)), failed(world, held(wrong), false), cancelled(world, held(stopped))],
  });
  purge(world.shard, { v: 1, statuses: ["QUEUED"] });
  world.passTo(world.now + 1_000);
  return { done, wrong, stopped, called, over, purged, lost } as Record<string, number>;
}

describe("295 the end of a task is told, however it ends", () => {
  const ENDS = {
    done: "SUCCEEDED",
    wrong: "FAILED",
    stopped: "CANCELLED",
    called: "CANCELLED",
    over: "EXPIRED",
    purged: "CANCELLED",
    lost: "FAILED",
  };

  it("to its callback: each end once, in the transaction that ends it, with what it was", async () => {
    const world = hooksWorld([], { leaseMs: 5_000, maxCrashes: 1 });
    const seqs = endAll(world, calledBack(URL));
    await passIn(world, 10_000);
    const told = new Map(deliveriesOf(world).map(({ seq, event }) => [seq, event]));
    for (const [way, seq] of Object.entries(seqs))
      expect([way, told.get(seq as never)]).toEqual([way, ENDS[way as "done"]]);
    expect(told.size).toBe(7);
    expect(deliveriesOf(world, { status: "delivered" })).toHaveLength(7);
    expect(world.posts).toHaveLength(7);
    for (const { url, secrets, body } of world.posts) {
      expect([url, secrets]).toEqual([URL, [SIGNING.secret]]);
      expect(JSON.parse(body)).toMatchObject({ type: "task.finished", data: { queue: "q" } });
    }
  });

  it("to each webhook of its queue that wants such an end, and that is not disabled", async () => {
    const webhooks = [
      hook(),
      hook({ id: "wh_2", events: ["FAILED", "EXPIRED"] }),
      hook({ id: "wh_3", disabled: true }),
    ];
    const world = hooksWorld(webhooks, { leaseMs: 5_000, maxCrashes: 1 });
    endAll(world, {});
    await passIn(world, 10_000);
    expect(deliveriesOf(world, { webhook: "wh_1" })).toHaveLength(7);
    expect(
      deliveriesOf(world, { webhook: "wh_2" })
        .map(({ event }) => event)
        .sort(),
    ).toEqual(["EXPIRED", "FAILED", "FAILED"]);
    expect(deliveriesOf(world, { webhook: "wh_3" })).toEqual([]);
  });

  it("only of the ends that it names; a task without callback, in a queue without webhooks, writes nothing for it", async () => {
    const world = hooksWorld();
    accept(world, {}, calledBack(URL, { events: ["FAILED"] }), calledBack(URL, { events: ["SUCCEEDED"] }));
    succeedAll(world);
    await passIn(world, 1_000);
    expect(deliveriesOf(world).map(({ event, url }) => [event, url])).toEqual([["SUCCEEDED", URL]]);
  });

  it("once there is a secret to sign it with, and never unsigned", async () => {
    const world = hooksWorld();
    accept(world, calledBack(URL));
    configure(world.shard, {
      v: 1,
      settings: { ...settingsOf(world), version: 2, hooks: { signing: [], webhooks: [] } },
    });
    succeedAll(world);
    await passIn(world, 60_000);
    expect(world.posts).toEqual([]);
    expect(deliveriesOf(world)).toMatchObject([{ status: "pending", attemptCount: 0 }]);
    const hooks = { signing: [SIGNING], webhooks: [] };
    configure(world.shard, { v: 1, settings: { ...settingsOf(world), version: 3, hooks } });
    await passIn(world, 6_000);
    expect(deliveriesOf(world)).toMatchObject([{ status: "delivered", attemptCount: 1 }]);
  });
});

function settingsOf(world: ShardWorld) {
  const { settings } = world.shard.memory;
  if (!settings) throw new Error("no settings yet");
  return settings;
}
