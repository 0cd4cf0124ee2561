/** Jobs over many tasks: the Directory works them off over any loss, counts each task once, and holds nothing else up. */
import { describe, expect, it } from "vitest";
import { type QueueName, taskId } from "../../core/ids.ts";
import type { BulkWork, Job, JobDefinition } from "../../core/schema/bulk-rpc.ts";
import type { QueuePatch } from "../../core/schema/queue-settings.ts";
import { cancelJob, getJob, listJobs, startJob } from "../../durable-objects/directory/jobs/jobs.ts";
import { takeDuePortions, workJobs } from "../../durable-objects/directory/jobs/work-jobs.ts";
import { changeQueue, controlQueue } from "../../durable-objects/directory/queues/change-queue.ts";
import { deleteQueue } from "../../durable-objects/directory/queues/delete-queue.ts";
import { close } from "../../durable-objects/queue-shard/running/close.ts";
import { open } from "../../durable-objects/queue-shard/running/open.ts";
import { DirectoryWorld } from "../support/node/directory-world.ts";
import { add, every } from "../support/node/schedules.ts";

const queue = "a" as QueueName;
const CANCEL: BulkWork = { action: "cancel", filter: {} };
const REDRIVE: BulkWork = { action: "redrive", filter: {} };

async function made(patch: QueuePatch = {}): Promise<DirectoryWorld> {
  const world = new DirectoryWorld();
  const full = { retry: { maxAttempts: 1 }, slots: 64, depthLimit: 100_000, ...patch };
  await changeQueue(world.directory(), { queue, patch: full, replace: true, create: true });
  await world.pass(10);
  return world;
}

async function fill(world: DirectoryWorld, count: number, shard = 0): Promise<void> {
  const { settings } = world.shard("a", shard).memory;
  const entry = world.rows<{ settings: string }>("default", "SELECT settings FROM queue WHERE name = 'a'")[0];
  const known = settings ?? JSON.parse(entry?.settings ?? "null");
  const task = { type: "echo", version: 1, priority: 5, payload: "{}", runAt: null, options: null };
  const request = { v: 1, settingsVersion: 1, settings: known, atomic: true, tasks: Array(count).fill(task) } as const;
  const stub = world.ports.shard({ tenant: "default" as never, queue, shard });
  expect(await world.ask(stub.submit(request))).toMatchObject({ ok: true });
}

/** As many dead letters. */
async function bury(world: DirectoryWorld, count: number, shard = 0): Promise<void> {
  await fill(world, count, shard);
  const worker = { name: "w", kind: "consumer", types: { echo: 1 }, boot: null } as const;
  const target = world.shard("a", shard);
  while (target.memory.lanes.queued > 0) {
    const opened = open(target, { v: 1, ticket: null, solo: false, want: 64, worker });
    if (!opened.ok || opened.session === null) throw new Error("no session");
    const error = { code: "handler-error", message: "no", class: "Error" } as const;
    const times = { attempt: 1, startedAt: world.now, endedAt: world.now, error, retryable: false };
    const outcomes = opened.handout.tasks.map(({ seq }) => ({ kind: "failed" as const, seq, ...times }));
    close(target, { v: 1, session: opened.session, turn: 1, outcomes });
  }
}

async function start(world: DirectoryWorld, work: BulkWork, more: Partial<JobDefinition> = {}): Promise<string> {
  const definition = { queue, work, asOf: null, rate: null, ...more };
  const answer = await world.ask(startJob(world.directory(), { definition }));
  if (!answer.ok) throw new Error(`${answer.code}: ${answer.detail}`);
  return answer.job.id;
}

async function look(world: DirectoryWorld, id: string): Promise<Job> {
  const answer = await getJob(world.directory(), { id });
  if (!answer.ok) throw new Error(answer.detail);
  return answer.job;
}

const total = ({ parts }: Job, field: "matched" | "done" | "stopping" | "failed") =>
  parts.reduce((sum, part) => sum + (part[field] ?? 0), 0);

describe("274 a job", () => {
  it("is worked off in the background, over all shards, and says how far it is", async () => {
    const world = await made({ shards: 3 });
    for (const shard of [0, 1, 2]) await fill(world, 1_500, shard);
    const id = await start(world, CANCEL);
    expect((await look(world, id)).status).toBe("running");
    await world.pass(1_000);
    const job = await look(world, id);
    expect(job).toMatchObject({ status: "done", refusal: null, failures: [] });
    expect([total(job, "matched"), total(job, "done")]).toEqual([4_500, 4_500]);
    expect(job.parts.map(({ done, ended }) => [done, ended])).toEqual(Array(3).fill([1_500, true]));
    expect(world.tasks("a", 1)).toEqual([]);
    expect(world.logs.some((line) => line.includes("job-ended") && line.includes("4500 tasks"))).toBe(true);
    await world.pass(60_000);
    expect(world.alarmOf()).toBeNull();
  });

  it("counts each task once whatever answer is lost, and whenever the object dies", async () => {
    const world = await made({ shards: 2 });
    for (const shard of [0, 1]) await bury(world, 2_500, shard);
    const id = await start(world, REDRIVE);
    const kinds = ["lose", null, "throw", "lose", "lose", "hang", null] as const;
    let calls = 0;
    world.faultOfCall = () => kinds[calls++ % kinds.length] ?? null;
    for (let round = 0; round < 40; round++) {
      await world.pass(1_500);
      await world.evict();
    }
    world.faultOfCall = () => null;
    await world.pass(60_000);
    const job = await look(world, id);
    expect(job.status).toBe("done");
    expect([total(job, "matched"), total(job, "done"), total(job, "failed")]).toEqual([5_000, 5_000, 0]);
    for (const shard of [0, 1]) expect(world.shard("a", shard).memory.lanes.queued).toBe(2_500);
  });

  it("a portion that is on its way twice is written down once", async () => {
    const world = await made();
    await fill(world, 10);
    const state = world.directory();
    const id = await start(world, CANCEL);
    const due = () => state.transact(() => takeDuePortions(state, world.now));
    const counting = due();
    await workJobs(state, counting);
    const portions = due();
    await Promise.all([workJobs(state, portions), workJobs(state, portions)]);
    await workJobs(state, counting);
    const job = await look(world, id);
    expect([job.status, total(job, "matched"), total(job, "done")]).toEqual(["done", 10, 10]);
  });

  it("that is cancelled while a portion is under way goes on with none, also where that one finds no room", async () => {
    const world = await made();
    await fill(world, 10);
    const state = world.directory();
    const id = await start(world, CANCEL);
    const due = () => state.transact(() => takeDuePortions(state, world.now));
    await workJobs(state, due());
    const portions = due();
    expect(portions).toHaveLength(1);
    await cancelJob(state, { id });
    world.faults.set("default:a:0", "throw");
    await workJobs(state, portions);
    world.faults.clear();
    await world.pass(60_000);
    expect(await look(world, id)).toMatchObject({ status: "cancelled", parts: [{ done: 0 }] });
    expect(world.tasks("a")).toHaveLength(10);
  });

  it("a silent shard holds neither the others nor a schedule's fire, and is asked again ever more seldom", async () => {
    const world = await made({ shards: 2 });
    for (const shard of [0, 1]) await fill(world, 10, shard);
    world.faults.set("default:a:0", "hang");
    await add(world, "each second", every(1));
    const since = world.now;
    const id = await start(world, CANCEL);
    await world.pass(200);
    expect((await look(world, id)).parts.map(({ ended }) => ended)).toEqual([false, true]);
    await world.pass(60_000);
    const job = await look(world, id);
    expect(job).toMatchObject({ status: "waiting", parts: [{ refusal: { code: "unavailable" } }, { refusal: null }] });
    expect(world.countCalls("countBulk")).toBeLessThan(10);
    const fires = world.tasks("default").map((task) => task.created_at - since);
    expect(fires).toEqual(Array.from({ length: 60 }, (_, i) => (i + 1) * 1_000));
    world.faults.clear();
    await world.pass(20_000);
    expect(await look(world, id)).toMatchObject({ status: "done", parts: [{ done: 10 }, { done: 10 }] });
  });

  it("waits for room and for a queue that drains, says why, and goes on", async () => {
    const world = await made({ depthLimit: 30 });
    for (let i = 0; i < 2; i++) await bury(world, 25);
    const id = await start(world, REDRIVE);
    await world.pass(5_000);
    expect(await look(world, id)).toMatchObject({
      status: "waiting",
      parts: [{ done: 30, refusal: { code: "queue-full" } }],
    });
    await controlQueue(world.directory(), { queue, action: "drain" });
    await start(world, CANCEL);
    await world.pass(11_000);
    expect(await look(world, id)).toMatchObject({ status: "waiting", parts: [{ refusal: { code: "draining" } }] });
    await controlQueue(world.directory(), { queue, action: "resume" });
    await world.pass(11_000);
    const job = await look(world, id);
    expect([job.status, total(job, "done")]).toEqual(["done", 50]);
  });

  it("is cancelled: what is done stays done, the rest is left", async () => {
    const world = await made();
    await bury(world, 100);
    const id = await start(world, REDRIVE, { rate: { limit: 40, periodMs: 10_000 } });
    await world.pass(5_000);
    await cancelJob(world.directory(), { id });
    await world.pass(60_000);
    const job = await look(world, id);
    expect(job.status).toBe("cancelled");
    expect(total(job, "done")).toBe(world.shard("a").memory.lanes.queued);
    expect(total(job, "done")).toBeLessThan(60);
    expect(await cancelJob(world.directory(), { id })).toMatchObject({ ok: true, job: { status: "cancelled" } });
    expect(await getJob(world.directory(), { id: "none" })).toMatchObject({ ok: false, code: "job-unknown" });
  });

  it("272 at a rate gives back what a portion did not use: another shard's may have it at once", async () => {
    const world = await made({ shards: 2 });
    await fill(world, 2, 0);
    await fill(world, 900, 1);
    const id = await start(world, CANCEL, { rate: { limit: 1_000, periodMs: 60_000, burst: 1_000 } });
    await world.pass(2_000);
    expect(total(await look(world, id), "done")).toBe(902);
  });

  it("of ids asks their shards alone; what is none any more is skipped", async () => {
    const world = await made({ shards: 2 });
    for (const shard of [0, 1]) await fill(world, 3, shard);
    const [seq] = world.shard("a", 1).sql.all<{ seq: never }>("SELECT seq FROM task LIMIT 1");
    const ids = [taskId({ queue, shard: 1 }, seq?.seq as never), taskId({ queue, shard: 1 }, 77 as never)];
    const id = await start(world, CANCEL, { ids });
    await world.pass(1_000);
    const job = await look(world, id);
    expect(job).toMatchObject({ status: "done", ids: 2, parts: [{ shard: 1, matched: 2, done: 1, ended: true }] });
    expect([world.tasks("a", 0).length, world.tasks("a", 1).length]).toEqual([3, 2]);
  });

  it("fails with its queue at once and says so, also when that is made again", async () => {
    const world = await made({ depthLimit: 30 });
    for (let i = 0; i < 2; i++) await bury(world, 25);
    const id = await start(world, REDRIVE);
    await world.pass(5_000);
    await world.ask(deleteQueue(world.directory(), { queue, force: true }));
    const told = { status: "failed", refusal: { code: "queue-unknown" }, parts: [{ done: 30, refusal: null }] };
    expect(await look(world, id)).toMatchObject(told);
    await changeQueue(world.directory(), { queue, patch: {}, replace: true, create: true });
    await world.pass(20_000);
    const job = await look(world, id);
    expect(job).toMatchObject(told);
    expect(job.refusal?.detail).toBe("The job's queue a was deleted.");
  });

  it("fails with its queue, is forgotten among a hundred younger ones, and there are 32 at a time", async () => {
    const world = await made();
    await fill(world, 1);
    world.faults.set("default:a:", "throw");
    const first = await start(world, CANCEL);
    await world.pass(100);
    world.faults.clear();
    await deleteQueue(world.directory(), { queue, force: true });
    await world.pass(20_000);
    expect(await look(world, first)).toMatchObject({ status: "failed", refusal: { code: "queue-unknown" } });
    await changeQueue(world.directory(), { queue, patch: {}, replace: true, create: true });
    for (let i = 0; i < 102; i++) {
      await start(world, CANCEL);
      await world.pass(10);
    }
    const listed = await listJobs(world.directory(), {});
    expect(listed.ok && listed.jobs.length).toBe(100);
    expect(world.rows("default", "SELECT * FROM job_work")).toHaveLength(100);
    expect(world.rows("default", "SELECT * FROM job_part")).toHaveLength(100);
    expect(await getJob(world.directory(), { id: first })).toMatchObject({ ok: false, code: "job-unknown" });
    world.faults.set("default:a:", "throw");
    for (let i = 0; i < 32; i++) await start(world, CANCEL);
    const definition = { queue, work: CANCEL, asOf: null, rate: null };
    expect(await startJob(world.directory(), { definition })).toMatchObject({ ok: false, code: "too-many-jobs" });
  });
});

describe("272 a job at a rate", () => {
  it("does no more than that over all of the queue's shards, whatever is lost, and comes to its end", async () => {
    const world = await made({ shards: 2 });
    for (const shard of [0, 1]) await bury(world, 300, shard);
    const id = await start(world, REDRIVE, { rate: { limit: 50, periodMs: 1_000 } });
    const done = () => [0, 1].reduce((sum, shard) => sum + world.shard("a", shard).memory.lanes.queued, 0);
    let before = 0;
    for (let s = 0; s < 11; s++) {
      if (s === 3) world.faults.set("default:a:", "lose");
      if (s === 4) world.faults.clear();
      await world.pass(1_000);
      expect(done() - before).toBeLessThanOrEqual(50 + 13);
      before = done();
    }
    await world.pass(20_000);
    const job = await look(world, id);
    expect([job.status, total(job, "done"), done()]).toEqual(["done", 600, 600]);
    expect(world.countCalls("bulk")).toBeLessThan(120);
  });
});
