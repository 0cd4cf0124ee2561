/** A submission that is only tried, against the same one in earnest. */
import { describe, expect, it } from "vitest";
import { MAX_LANES } from "../../core/lanes.ts";
import { packTasks } from "../../core/pack-tasks.ts";
import type { TryAnswer } from "../../core/schema/explain-rpc.ts";
import { DEFAULT_SETTINGS, type QueueSettings } from "../../core/schema/queue-settings.ts";
import type { NewTask, SubmitRequest } from "../../core/schema/rpc.ts";
import { acceptedTasks } from "../../core/submit-answer.ts";
import { configure } from "../../durable-objects/queue-shard/configure.ts";
import { explain } from "../../durable-objects/queue-shard/reads/explain.ts";
import { next } from "../../durable-objects/queue-shard/reads/next.ts";
import { trySubmit } from "../../durable-objects/queue-shard/submit/try-submit.ts";
import { Random } from "../simulation/random.ts";
import { drawSettings, drawTask } from "../support/node/draw-queue.ts";
import { makeWorld, type ShardWorld, START } from "../support/node/shard-world.ts";
import { accept, many, succeeded, WorkerHand } from "../support/node/worker-hand.ts";

const PLAIN: NewTask = { type: "echo", version: 1, priority: 5, payload: "{}", runAt: null, options: null };
const key = (name: string, more: object = {}) => ({ dedup: { key: `uniq:${name}`, ttlMs: 60_000, ...more } });

function attempt(
  world: ShardWorld,
  tasks: readonly Partial<NewTask>[],
  request: Partial<SubmitRequest> = {},
  settings: Partial<QueueSettings> = {},
): TryAnswer {
  const full = { ...DEFAULT_SETTINGS, ...world.shard.memory.settings, ...settings };
  const packed = packTasks(tasks.map((task) => ({ ...PLAIN, ...task })));
  return trySubmit(world.shard, {
    v: 1,
    settingsVersion: full.version,
    settings: full,
    atomic: true,
    ...request,
    tasks: packed,
  });
}

/** Every row of every table, and what memory has counted. */
function everything(world: ShardWorld): string {
  const { shard } = world;
  const tables = shard.sql.all<{ name: string }>("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name");
  const rows = tables.map(({ name }) => [name, shard.sql.all(`SELECT * FROM "${name}"`)]);
  const { lanes, lastSeq, levels } = shard.memory;
  const counts = Array.from(lanes.all(), ({ no, count, next: at, window }) => [no, count, at, window.length]);
  return JSON.stringify([rows, counts, lastSeq, [...levels], world.tickets.length, world.alarms]);
}

/** A submission calls workers, which one that is only tried does not. */
function withoutCalls(explanation: unknown): unknown {
  const isCall = (reason: unknown) => Object(reason).code === "awaits-worker";
  const { reasons, ...told } = Object(explanation);
  return { ...told, reasons: Array.isArray(reasons) && reasons.filter((reason) => !isCall(reason)) };
}

describe("283 a submission that is only tried", () => {
  it("writes nothing, makes no table, changes no memory", () => {
    const fresh = makeWorld();
    expect(attempt(fresh, many(300))).toMatchObject({ ok: true });
    expect(fresh.shard.sql.all("SELECT name FROM sqlite_master")).toEqual([]);
    expect(fresh.shard.memory).toMatchObject({ hasTables: false, settings: null, lastSeq: 0 });
    const world = makeWorld({ fair: {}, keyLimits: { rate: { limit: 1, periodMs: 1_000 } } });
    accept(world, ...many(200, { limitKey: "a" }), { ...key("one"), runAt: START + 1_000 });
    new WorkerHand(world, { want: 1 });
    const before = everything(world);
    attempt(world, many(300, { limitKey: "a" }));
    attempt(world, [{ ...key("one", { onConflict: "replace" }), fairnessKey: "new" }]);
    attempt(world, [{}], { idempotency: { key: "k", fingerprint: "f" } });
    attempt(world, many(20_000));
    expect(everything(world)).toBe(before);
  });

  it("tells what then becomes of it in earnest, and how many start before it", () => {
    let places = 0;
    let amongOthers = 0;
    for (let seed = 1; seed <= 100; seed++) {
      const random = new Random(seed, "try");
      const depthLimit = random.chance(0.2) ? random.between(1, 40) : 10_000;
      const settings = { ...drawSettings(random), depthLimit };
      const world = makeWorld(settings);
      const draw = (): Partial<NewTask> => ({
        ...drawTask(random),
        ...(random.chance(0.3) && key(random.pick(["x", "y", "z"]), { onConflict: random.pick(["return", "reject"]) })),
        ...(random.chance(0.1) && { runAt: world.now + random.between(-1_000, 5_000) }),
      });
      for (let i = random.between(0, 30); i > 0; i--) world.submit([draw()]);
      if (random.chance(0.5)) world.open({ want: random.between(0, 3) });
      const tasks = Array.from({ length: random.between(1, 6) }, draw);
      const atomic = random.chance(0.5);
      const tried = attempt(world, tasks, { atomic }, world.shard.memory.settings ? {} : settings);
      const real = world.submit(tasks, { atomic });
      expect([tried.ok, tried.ok ? "" : tried.code], `seed ${seed}`).toEqual([real.ok, real.ok ? "" : real.code]);
      if (!tried.ok || !real.ok) continue;
      const list = next(world.shard, { v: 1, n: 100 });
      const order = list.ok ? list.tasks.map(({ seq }) => seq) : [];
      const made = acceptedTasks(
        tasks.map((task) => ({ ...PLAIN, ...task })),
        real,
      );
      for (const [i, one] of tried.tasks.entries()) {
        const task = made[i];
        expect(one.accepted, `seed ${seed}, task ${i}`).toBe(task !== null);
        if (!one.accepted || !task) continue;
        const { ahead, among, explanation, duplicateOf, duplicateOfIndex: sibling } = one;
        const first = sibling === undefined ? duplicateOf : made[sibling]?.seq;
        expect([one.status, first]).toEqual([task.status, task.duplicate ? task.seq : undefined]);
        if (task.duplicate) continue;
        const place = order.indexOf(task.seq);
        expect(among === undefined ? (ahead ?? -1) : -1, `seed ${seed}, task ${i}`).toBe(place);
        const then = explain(world.shard, { v: 1, seq: task.seq });
        if (!then.ok || task.status !== (then.explanation?.status ?? null)) throw new Error(`seed ${seed}: no task`);
        expect(withoutCalls({ ...explanation, status: task.status }), `seed ${seed}, task ${i}`).toEqual(
          withoutCalls(then.explanation),
        );
        places++;
        if (among !== undefined) amongOthers++;
      }
    }
    expect(places).toBeGreaterThan(100);
    expect(amongOthers).toBeGreaterThan(20);
  });

  it("explains the one that would be made, as it would be explained then", () => {
    const world = makeWorld({ keyLimits: { concurrency: 1 } });
    accept(world, ...many(3, { limitKey: "a" }));
    new WorkerHand(world, { want: 1 });
    expect(attempt(world, [{ limitKey: "a" }])).toMatchObject({
      tasks: [{ accepted: true, status: "QUEUED", ahead: 2, among: "limitKey" }],
      explanation: {
        earliestStart: null,
        decidedBy: "key-concurrency",
        reasons: [
          { code: "key-concurrency", running: 1 },
          { code: "ahead", count: 2, among: "limitKey" },
        ],
      },
    });
    expect(attempt(world, [{ runAt: START + 5_000 }])).toMatchObject({
      tasks: [{ status: "SCHEDULED", ahead: null }],
      explanation: { decidedBy: "scheduled" },
    });
    expect(attempt(world, many(2))).toMatchObject({ tasks: [{ ahead: 0 }, { ahead: 1 }], explanation: null });
  });

  it("is refused as the submission would be: full, draining, another's key", () => {
    const world = makeWorld({ depthLimit: 2 });
    const [seq] = accept(world, key("one"), {});
    expect(attempt(world, [{}])).toMatchObject({ ok: false, code: "queue-full" });
    expect(attempt(world, many(3))).toMatchObject({ ok: false, code: "batch-too-large" });
    expect(attempt(world, [key("one")])).toMatchObject({
      tasks: [{ duplicateOf: seq, status: "QUEUED", ahead: null }],
    });
    expect(attempt(world, [key("one", { onConflict: "reject" })])).toMatchObject({ ok: false, code: "duplicate-task" });
    expect(attempt(world, [key("one", { onConflict: "replace" })])).toMatchObject({
      tasks: [{ duplicateOf: seq, replaces: true }],
    });
    expect(attempt(world, [{}, key("one")], { atomic: false })).toMatchObject({
      tasks: [{ accepted: false, refusal: { code: "queue-full" } }, { accepted: true }],
    });
    const { settings } = world.shard.memory;
    if (settings) configure(world.shard, { v: 1, settings: { ...settings, draining: true, version: 2 } });
    expect(attempt(world, [{}])).toMatchObject({ ok: false, code: "draining" });
  });

  it("under an Idempotency-Key that is known tells that task, and is refused with another body, as it would be", () => {
    const world = makeWorld();
    const answer = world.submit([{}], { idempotency: { key: "k", fingerprint: "f" } });
    const seq = answer.ok ? answer.seqs[0] : null;
    const other = { key: "k", fingerprint: "other" };
    expect(attempt(world, [{}], { idempotency: other })).toMatchObject({ ok: false, code: "idempotency-key-reused" });
    const tried = attempt(world, [{}], { idempotency: { key: "k", fingerprint: "f" } });
    expect(tried).toMatchObject({ replayed: true, tasks: [{ duplicateOf: seq, status: "QUEUED" }], explanation: null });
    expect(attempt(world, [{}], { idempotency: { key: "l", fingerprint: "f" } })).toMatchObject({ replayed: false });
  });

  it("of what was refused before under its Idempotency-Key says what would be made of it now", () => {
    const world = makeWorld({ depthLimit: 1 });
    const request = { idempotency: { key: "k", fingerprint: "f" }, atomic: false };
    const answer = world.submit([{}, {}], request);
    const seq = answer.ok ? answer.seqs[0] : null;
    const hand = new WorkerHand(world);
    hand.close(hand.tasks.map((task) => succeeded(world, task)));
    const tried = attempt(world, [{}, {}], request);
    expect(tried).toMatchObject({ replayed: false, tasks: [{ duplicateOf: seq }, { status: "QUEUED", ahead: 0 }] });
    expect(world.submit([{}, {}], request)).toMatchObject({ seqs: [seq, expect.any(Number)], refused: [] });
  });

  it("of a shard full of lanes: empty ones would make room, and are not touched", () => {
    const world = makeWorld({ depthLimit: 100_000 });
    const keyed = (count: number) => Array.from({ length: count }, (_, i) => ({ fairnessKey: `k${i}` }));
    accept(world, ...keyed(MAX_LANES));
    expect(attempt(world, [{ fairnessKey: "one more" }])).toMatchObject({ ok: false, code: "too-many-keys" });
    new WorkerHand(world, { want: 1 });
    const before = everything(world);
    expect(attempt(world, [{ fairnessKey: "one more" }])).toMatchObject({ ok: true });
    expect(attempt(world, [{ fairnessKey: "m1" }, { fairnessKey: "m2" }])).toMatchObject({ code: "too-many-keys" });
    expect(everything(world)).toBe(before);
  });

  it("of several with one key tells the index of the first, and of one that they replace what it becomes", () => {
    const world = makeWorld({ keyLimits: { concurrency: 1 } });
    accept(world, ...many(2));
    expect(attempt(world, [key("a"), {}, key("a")])).toMatchObject({
      tasks: [{ ahead: 2 }, { ahead: 3 }, { duplicateOfIndex: 0, ahead: null }],
    });
    const tried = attempt(world, [key("a"), { ...key("a", { onConflict: "replace" }), priority: 9 }]);
    expect(tried).toMatchObject({ tasks: [{ ahead: 0 }, { duplicateOfIndex: 0, replaces: true }] });
    const refused = attempt(world, [{}, key("a"), key("a", { onConflict: "reject" })], { atomic: false });
    expect(refused.ok && refused.tasks[2]).toEqual({
      accepted: false,
      duplicateOfIndex: 1,
      refusal: { code: "duplicate-task", detail: "Another task of the batch has that key." },
    });
  });

  it("of a deleted queue that it would make is as of one that never was", () => {
    const world = makeWorld({ paused: true });
    accept(world, ...many(2));
    const { settings } = world.shard.memory;
    if (settings) configure(world.shard, { v: 1, settings: { ...settings, deleted: true, version: 7 } });
    const request = { v: 1, settingsVersion: 1, atomic: true, tasks: packTasks([PLAIN]) } as const;
    expect(trySubmit(world.shard, { ...request, settings: DEFAULT_SETTINGS })).toMatchObject({ code: "queue-unknown" });
    expect(trySubmit(world.shard, { ...request, settings: DEFAULT_SETTINGS, makesQueue: true })).toMatchObject({
      tasks: [{ accepted: true, status: "QUEUED", ahead: 0, explanation: { earliestStart: "now", reasons: [] } }],
    });
  });

  it("of a batch is held to a bound, half of it for what limits hold back", () => {
    const world = makeWorld({ keyLimits: { concurrency: 1 } });
    accept(world, {});
    const answer = attempt(world, [...many(3_000), ...many(10, { limitKey: "a" })]);
    if (!answer.ok) throw new Error(answer.code);
    const isTold = (task: object) => "explanation" in task && task.explanation !== null;
    const free = answer.tasks.slice(0, 3_000).filter(isTold).length;
    expect([free > 1_000, free < 1_500]).toEqual([true, true]);
    const later = attempt(world, many(3_000, { runAt: START + 60_000 }));
    expect(later.ok && later.tasks.filter(isTold).length).toBeLessThan(2_500);
    expect(answer.tasks.slice(-9).map((task) => [isTold(task), "among" in task && task.among])).toEqual(
      Array.from({ length: 9 }, () => [true, "limitKey"]),
    );
  });

  it("of a shard that has yet to forget a deleted queue is to be tried again", () => {
    const world = makeWorld();
    accept(world, {});
    expect(attempt(world, [{}], {}, { generation: 2, version: 9 })).toMatchObject({ ok: false, code: "unavailable" });
    expect(world.shard.memory.lanes.queued).toBe(1);
  });
});
