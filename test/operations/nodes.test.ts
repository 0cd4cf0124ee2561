/** Nodes of workflows at their shard: placed BLOCKED, released or ended, and their ends told until they are taken. */
import { beforeEach, describe, expect, it } from "vitest";
import type { RunId, Seq } from "../../core/ids.ts";
import type { NewTask, TaskChanges } from "../../core/schema/rpc.ts";
import type { ClaimedTask } from "../../core/schema/session-rpc.ts";
import { bulk } from "../../durable-objects/queue-shard/dead/bulk.ts";
import { erase } from "../../durable-objects/queue-shard/ended/erase.ts";
import { next } from "../../durable-objects/queue-shard/reads/next.ts";
import { readOne } from "../../durable-objects/queue-shard/reads/read.ts";
import { summarize } from "../../durable-objects/queue-shard/reads/summarize.ts";
import { cancel } from "../../durable-objects/queue-shard/waiting/cancel.ts";
import { change } from "../../durable-objects/queue-shard/waiting/change.ts";
import { endNodes } from "../../durable-objects/queue-shard/waiting/end-nodes.ts";
import { purge } from "../../durable-objects/queue-shard/waiting/purge.ts";
import { release } from "../../durable-objects/queue-shard/waiting/release.ts";
import { makeWorld, type ShardWorld } from "../support/node/shard-world.ts";
import { failed, succeeded, WorkerHand } from "../support/node/worker-hand.ts";

const RUN = "wf_000000000000000000000000" as RunId;
let world: ShardWorld;
beforeEach(() => {
  world = makeWorld();
});

function nodeOf(node: string, more: Partial<NewTask> = {}, run = RUN): Partial<NewTask> {
  return { options: JSON.stringify({ partOf: { run, node } }), ...more };
}
function place(...tasks: Partial<NewTask>[]): Seq[] {
  const answer = world.submit(tasks);
  if (!answer.ok) throw new Error(answer.detail);
  return answer.seqs.flatMap((seq) => seq ?? []);
}
const blocked = { blocked: true } as const;
const free = (seq: Seq, more: object = {}) =>
  release(world.shard, { v: 1, nodes: [{ seq, payload: null, runAt: null, expiresAt: null, ...more }] });
const statusOf = (seq: Seq) => readOne(world.shard, seq)?.status;
/** What was told to runs by now; the flush goes on in the background. */
async function told(): Promise<string[]> {
  while (world.background.length > 0) await Promise.all(world.background.splice(0));
  return world.ends.map(({ run, node, status }) => `${run === RUN ? "" : `${run} `}${node} ${status}`);
}

describe("308 a node that waits for others", () => {
  it("308 is BLOCKED: never handed out, counted in the depth, also by a new object", () => {
    const [seq] = place(nodeOf("b", blocked), {});
    expect(new WorkerHand(world).tasks).toHaveLength(1);
    expect(world.shard.memory.blocked).toBe(1);
    world.evict();
    expect(world.shard.memory.blocked).toBe(1);
    expect(statusOf(seq as Seq)).toBe("BLOCKED");
  });

  it("308 is released with its payload filled in, once, and its timeline tells of both", () => {
    const [seq] = place(nodeOf("b", { ...blocked, payload: '{"a":{"$result":"a"}}' })) as [Seq];
    free(seq, { payload: '{"a":1}' });
    free(seq, { payload: '{"a":2}' });
    expect(world.shard.memory.blocked).toBe(0);
    expect(new WorkerHand(world).tasks.map(({ payload, workflow }) => [payload, workflow])).toEqual([
      ['{"a":1}', { id: RUN, node: "b" }],
    ]);
    expect(readOne(world.shard, seq)?.moves.map(([status, , cause]) => [status, cause])).toEqual([
      ["BLOCKED", "submitted"],
      ["QUEUED", "released: what it waits for has ended"],
    ]);
  });

  it("247 183 waits for a worker since its release, whatever it waited for before", () => {
    world = makeWorld({ ageStepMs: 1_000, slots: 1 });
    const [seq] = place(nodeOf("b", blocked)) as [Seq];
    world.passTo(world.now + 3_600_000);
    const [other] = place({ priority: 6 }) as [Seq];
    free(seq);
    expect(summarize(world.shard)).toMatchObject({ oldestQueuedAt: world.now, oldestReadyAt: world.now });
    expect(next(world.shard, { v: 1, n: 2 })).toMatchObject({
      tasks: [
        { seq: other, rank: 6 },
        { seq, rank: 5 },
      ],
    });
  });

  it("308 is put off from its release on, and begins by its time or not at all", () => {
    const [later, brief] = place(nodeOf("a", blocked), nodeOf("b", blocked)) as [Seq, Seq];
    free(later, { runAt: world.now + 5_000 });
    free(brief, { expiresAt: world.now + 1_000 });
    expect([statusOf(later), statusOf(brief)]).toEqual(["SCHEDULED", "QUEUED"]);
    world.passTo(world.now + 6_000);
    expect([statusOf(later), statusOf(brief)]).toEqual(["QUEUED", "EXPIRED"]);
  });

  it("321 keeps the priority that somebody gave it while it waited", () => {
    const [seq] = place(nodeOf("b", blocked)) as [Seq];
    expect(change(world.shard, { v: 1, seq, rev: 1, changes: { priority: 9 } })).toMatchObject({
      task: { status: "BLOCKED", priority: 9, rev: 2 },
    });
    expect(world.shard.memory.blocked).toBe(1);
    free(seq, { payload: "2" });
    expect(readOne(world.shard, seq)).toMatchObject({ status: "QUEUED", priority: 9, payload: "2" });
  });

  it("321 has its payload and its time of its run alone: any other is refused, and so is run-now", () => {
    const [seq] = place(nodeOf("b", blocked)) as [Seq];
    const payload = { text: "3", version: 1 };
    const refused = (changes: TaskChanges) => {
      const answer = change(world.shard, { v: 1, seq, rev: null, changes });
      return answer.ok ? [] : [answer.code, answer.detail, ...(answer.errors ?? []).map(({ pointer }) => pointer)];
    };
    const why = [
      "task-blocked",
      `The task is the node b of the run ${RUN}, and waits until what it depends on has ended.`,
    ];
    expect(refused({ payload, priority: 9 })).toEqual([...why, "/payload"]);
    expect(refused({ payload, runAt: world.now + 1_000 })).toEqual([...why, "/payload", "/runAt"]);
    expect(refused({ runAt: null })).toEqual([...why, "/runAt"]);
    expect(readOne(world.shard, seq)).toMatchObject({ status: "BLOCKED", priority: 5, rev: 1 });
  });

  it("321 is cancelled like any other that waits: by itself, by its queue's purge, by a job; and its run hears of it", async () => {
    const [one, two, three] = place(nodeOf("a", blocked), nodeOf("b", blocked), nodeOf("c", blocked)) as [
      Seq,
      Seq,
      Seq,
    ];
    cancel(world.shard, { v: 1, seq: one });
    const work = { action: "cancel", filter: { seqs: [two], status: ["BLOCKED"] } } as const;
    const portion = { portion: 1, generation: 1, asOf: null, upTo: three, after: null, most: 10 } as const;
    expect(bulk(world.shard, { v: 1, job: "j", work, ...portion })).toMatchObject({ done: 1 });
    purge(world.shard, { v: 1, statuses: ["BLOCKED"] });
    expect([one, two, three].map(statusOf)).toEqual(["CANCELLED", "CANCELLED", "CANCELLED"]);
    expect(world.shard.memory.blocked).toBe(0);
    expect(await told()).toEqual(["a CANCELLED", "b CANCELLED", "c CANCELLED"]);
  });

  it("262 is counted beside what is next, and in the queue's counts", () => {
    place(nodeOf("b", blocked), {});
    expect(next(world.shard, { v: 1, n: 5 })).toMatchObject({ queued: 1, notDue: 0, blocked: 1 });
    expect(summarize(world.shard)).toMatchObject({ depth: 2, queued: 1, blocked: 1 });
  });
});

describe("306 a node that ends without a run", () => {
  const end = (seq: Seq, status: "FAILED" | "CANCELLED", code: "parent-failed" | "skipped" | "cancelled") =>
    endNodes(world.shard, { v: 1, nodes: [{ seq, status, code, message: "so" }] });

  it("306 is what its run says, no dead letter, and its run hears of it", async () => {
    const [a, b] = place(nodeOf("a", blocked), nodeOf("b", blocked)) as [Seq, Seq];
    end(a, "FAILED", "parent-failed");
    end(b, "CANCELLED", "skipped");
    end(b, "FAILED", "parent-failed");
    expect(readOne(world.shard, a)).toMatchObject({
      status: "FAILED",
      error: { code: "parent-failed", message: "so" },
    });
    expect(readOne(world.shard, b)).toMatchObject({ status: "CANCELLED", error: { code: "skipped" } });
    expect(world.shard.memory.dead.count).toBe(0);
    expect(world.shard.memory.blocked).toBe(0);
    expect(await told()).toEqual(["a FAILED", "b CANCELLED"]);
  });

  it("306 is CANCELLED where it was released meanwhile, and asked to stop where it runs, whatever its run says", async () => {
    const [a, b] = place(nodeOf("a", blocked), nodeOf("b", { ...blocked, type: "other" })) as [Seq, Seq];
    free(a);
    free(b);
    const hand = new WorkerHand(world);
    end(a, "FAILED", "parent-failed");
    end(b, "FAILED", "parent-failed");
    expect(hand.say().cancel).toEqual([a]);
    expect(readOne(world.shard, b)).toMatchObject({ status: "CANCELLED", error: { code: "parent-failed" } });
    expect(await told()).toEqual(["b CANCELLED"]);
  });

  it("314 that runs is asked to stop, and ends when its worker says so", () => {
    const [seq] = place(nodeOf("a")) as [Seq];
    const hand = new WorkerHand(world);
    end(seq, "CANCELLED", "cancelled");
    expect(hand.say().cancel).toEqual([seq]);
    expect(readOne(world.shard, seq)).toMatchObject({ status: "RUNNING", cancelRequested: true });
  });
});

describe("308 ends are told", () => {
  it("308 with the result, which is left out where it is over 64 KiB", async () => {
    place(nodeOf("a"), nodeOf("b"), {});
    const hand = new WorkerHand(world);
    const results = ['{"x":1}', JSON.stringify("y".repeat(65_536)), "null"];
    hand.say({ outcomes: hand.tasks.map((task, i) => succeeded(world, task, results[i])) });
    expect(await told()).toEqual(["a SUCCEEDED", "b SUCCEEDED"]);
    expect(world.ends.map(({ result }) => result)).toEqual(['{"x":1}', null]);
    expect(world.shard.memory.notices.sinks.run.count).toBe(0);
  });

  it("226 without what it gave or why it failed, once the task's data is deleted, though its run was not told yet", async () => {
    let isAway = true;
    const take = world.takeEnds;
    world.takeEnds = async (run, ends) => {
      if (isAway) throw new Error("away");
      return await take(run, ends);
    };
    const fire = JSON.stringify({ partOf: { schedule: "s", fireAt: 1 } });
    const seqs = place(nodeOf("a"), nodeOf("b"), { options: fire });
    const hand = new WorkerHand(world);
    const error = { code: "handler-error", message: "secret", class: "Error" } as const;
    const outcomeOf = (task: ClaimedTask, i: number) =>
      i === 0 ? succeeded(world, task, '"secret"') : ({ ...failed(world, task, false), error } as const);
    hand.say({ outcomes: hand.tasks.map(outcomeOf) });
    await told();
    for (const seq of seqs) expect(erase(world.shard, { v: 1, seq })).toMatchObject({ ok: true });
    expect(JSON.stringify(world.shard.sql.all("SELECT * FROM notice"))).not.toContain("secret");
    isAway = false;
    world.passTo(world.now + 60_000);
    expect(await told()).toEqual(["a SUCCEEDED", "b FAILED"]);
    expect(world.ends).toMatchObject([{ result: null }, { error: { code: "handler-error", message: "" } }]);
  });

  it("313 with what was spawned", async () => {
    place(nodeOf("a"));
    const hand = new WorkerHand(world);
    hand.say({ outcomes: hand.tasks.map((task) => ({ ...succeeded(world, task), spawned: "[1]" })) });
    await told();
    expect(world.ends[0]?.spawned).toBe("[1]");
  });

  it("155 in calls that are cut by bytes: what a hundred handlers spawned is more than one call carries", async () => {
    world = makeWorld({ slots: 64 });
    const sizes: number[] = [];
    const take = world.takeEnds;
    world.takeEnds = (run, ends) => {
      sizes.push(JSON.stringify(ends).length);
      return take(run, ends);
    };
    place(...Array.from({ length: 12 }, (_, i) => nodeOf(`n${i}`)));
    const hand = new WorkerHand(world, { want: 12 });
    const spawned = JSON.stringify("s".repeat(1_000_000));
    hand.say({ outcomes: hand.tasks.map((task) => ({ ...succeeded(world, task), spawned })) });
    expect(await told()).toHaveLength(12);
    expect(sizes.length).toBeGreaterThan(1);
    expect(Math.max(...sizes)).toBeLessThan(9_000_000);
  });

  it("315 again and again until they are taken, also by a new object; a run that does not answer holds up no other", async () => {
    const other = "wf_111111111111111111111111" as RunId;
    let isAway = true;
    const take = world.takeEnds;
    world.takeEnds = async (run, ends) => {
      if (run === RUN && isAway) throw new Error("away");
      return await take(run, ends);
    };
    place(nodeOf("a"), nodeOf("b", {}, other));
    const hand = new WorkerHand(world);
    hand.say({ outcomes: hand.tasks.map((task) => succeeded(world, task)) });
    expect(await told()).toEqual([`${other} b SUCCEEDED`]);
    expect(world.shard.memory.notices.sinks.run).toMatchObject({ count: 1 });
    expect(world.shard.memory.notices.sinks.run.receivers.get(RUN)).toMatchObject({ failures: 1 });
    isAway = false;
    world.evict();
    world.passTo(world.now + 60_000);
    expect(await told()).toEqual([`${other} b SUCCEEDED`, "a SUCCEEDED"]);
  });

  it("315 and not kept where there is no such run any more", async () => {
    world.takeEnds = async () => ({ v: 1, ok: false, code: "workflow-unknown", detail: "gone" });
    place(nodeOf("a"));
    const hand = new WorkerHand(world);
    hand.say({ outcomes: hand.tasks.map((task) => succeeded(world, task)) });
    await told();
    expect(world.shard.memory.notices.sinks.run.count).toBe(0);
  });
});
