/** A dead letter becomes a new task, once; with what is edited of it; where there is room. */
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { MAX_OUTBOX_BYTES } from "../../core/bytes.ts";
import { MAX_LANES } from "../../core/lanes.ts";
import { handledType } from "../../core/make-task.ts";
import { editMark, mergePatch, redrivenAs } from "../../core/redrive-task.ts";
import type { RedriveEdit } from "../../core/schema/dead-letters-rpc.ts";
import { configure } from "../../durable-objects/queue-shard/configure.ts";
import { discardDead } from "../../durable-objects/queue-shard/dead/dead-letters.ts";
import { redriveDead } from "../../durable-objects/queue-shard/dead/redrive.ts";
import { tryRedrive } from "../../durable-objects/queue-shard/dead/try-redrive.ts";
import { countBatch } from "../../durable-objects/queue-shard/reads/read.ts";
import { bury } from "../support/node/dead-hand.ts";
import { makeWorld, type ShardWorld } from "../support/node/shard-world.ts";
import { accept, nth, succeeded, taskAt, WorkerHand } from "../support/node/worker-hand.ts";

const worldOf = (settings = {}) => makeWorld({ slots: 64, retry: { maxAttempts: 1 }, ...settings });

function redrive(world: ShardWorld, seq: number, edit?: RedriveEdit) {
  return redriveDead(world.shard, { v: 1, seq: seq as never, ...(edit && { edit }) });
}

/** The task that it has become. */
function successor(world: ShardWorld, seq: number, edit?: RedriveEdit) {
  const answer = redrive(world, seq, edit);
  if (!answer.ok) throw new Error(`${answer.code}: ${answer.detail}`);
  expect(answer.task?.links?.replayedBy).toHaveLength(1);
  const [row] = world.shard.sql.all<{ seq: never }>("SELECT seq FROM task ORDER BY seq DESC LIMIT 1");
  const task = row && taskAt(world, row.seq);
  if (!task) throw new Error("it became nothing");
  return task;
}

describe("269 a dead letter is redriven", () => {
  it("as a new task with a budget of its own, linked both ways; the old one is no dead letter, its record goes anew", () => {
    const world = worldOf();
    const told = { payload: '{"a":1}', priority: 7, limitKey: "k", fairnessKey: "f", expiresAt: world.now + 5_000 };
    const [seq] = bury(world, [{ ...told, options: '{"tags":["t"],"timeoutMs":9000}' }]);
    const before = taskAt(world, seq as never);
    world.passTo(world.now + 10_000);
    const task = successor(world, Number(seq));
    expect(task).toMatchObject({
      status: "QUEUED",
      payload: '{"a":1}',
      priority: 7,
      tags: ["t"],
      attempts: [],
      options: { timeoutMs: 9_000 },
      links: { limitKey: "k", fairnessKey: "f", replayOf: expect.stringMatching(/^q\.0\./) },
    });
    expect(task.startBy).toBeUndefined();
    const old = taskAt(world, seq as never);
    expect(old).toMatchObject({ status: "FAILED", rev: (before?.rev ?? 0) + 1, attempts: before?.attempts });
    expect(world.shard.memory).toMatchObject({ dead: { count: 0, oldest: null, bytes: 0 }, lanes: { queued: 1 } });
    const hand = new WorkerHand(world);
    hand.close([succeeded(world, nth(hand.tasks, 0))]);
    expect(taskAt(world, task.seq)).toMatchObject({ status: "SUCCEEDED", attempts: [{ attempt: 1 }] });
  });

  it("once: the same again is told the same, over the loss of memory; what it became may be redriven in its turn", () => {
    const world = worldOf();
    const [seq] = bury(world, [{}]);
    const first = redrive(world, Number(seq));
    if (!first.ok) throw new Error(first.detail);
    const same = { ok: true, task: { links: first.task?.links, rev: first.task?.rev, status: "FAILED" } };
    world.evict();
    expect(redrive(world, Number(seq))).toMatchObject(same);
    expect(world.shard.memory.lanes.queued).toBe(1);
    const hand = new WorkerHand(world);
    const died = nth(hand.tasks, 0);
    hand.close([
      {
        kind: "failed",
        retryable: false,
        error: { code: "handler-error", message: "again", class: "Error" },
        seq: died.seq,
        attempt: 1,
        startedAt: world.now,
        endedAt: world.now,
      },
    ]);
    expect(redrive(world, Number(seq))).toMatchObject(same);
    expect(successor(world, died.seq).links?.replayOf).toContain("q.0.");
  });

  it("161 the batch of the old one counts it as FAILED, redriven or discarded, also while D1 is away", () => {
    const world = worldOf();
    const [first, second, third] = bury(world, [{}, {}, {}]);
    const counts = () => countBatch(world.shard, { v: 1, first: first as never, count: 3 });
    redrive(world, Number(first));
    discardDead(world.shard, { v: 1, filter: { seq: second as never }, asOf: world.now, dryRun: false });
    expect(counts()).toMatchObject({ ok: true, counts: { FAILED: 3 } });
    redrive(world, Number(third));
    expect(counts()).toMatchObject({ ok: true, counts: { FAILED: 3 } });
  });

  it("what is none is told as it stands, and stays; an empty shard stays without tables", () => {
    const world = worldOf();
    expect(redrive(world, 1)).toMatchObject({ ok: true, task: null });
    expect(world.shard.memory.hasTables).toBe(false);
    const [seq] = accept(world, {});
    expect(redrive(world, Number(seq))).toMatchObject({ ok: true, task: { status: "QUEUED" } });
    expect(world.shard.memory.lanes.queued).toBe(1);
  });

  it("like any new task it needs room, and a queue that takes some", () => {
    const world = worldOf({ depthLimit: 1 });
    const [seq] = bury(world, [{}]);
    accept(world, {});
    expect(redrive(world, Number(seq))).toMatchObject({ ok: false, code: "queue-full" });
    const { settings } = world.shard.memory;
    if (!settings) throw new Error("no settings");
    configure(world.shard, { v: 1, settings: { ...settings, depthLimit: 9, draining: true, version: 2 } });
    expect(redrive(world, Number(seq))).toMatchObject({ ok: false, code: "draining" });
    configure(world.shard, { v: 1, settings: { ...settings, depthLimit: 9, paused: true, version: 3 } });
    for (const [sink, code] of [
      ["outbox", "history-backlog"],
      ["deliveries", "webhook-backlog"],
    ] as const) {
      world.shard.memory[sink].bytes = MAX_OUTBOX_BYTES + 1;
      expect(redrive(world, Number(seq))).toMatchObject({ ok: false, code });
      world.evict();
    }
    expect(successor(world, Number(seq)).status).toBe("QUEUED");
  });

  it("157 like any new task it needs a lane: where there is none more it stays a dead letter", () => {
    const world = worldOf({ depthLimit: 20_000 });
    const [first, second] = bury(world, [{ limitKey: "a" }, { limitKey: "b" }]);
    const others = accept(world, ...Array.from({ length: MAX_LANES - 1 }, (_, i) => ({ limitKey: `key-${i}` })));
    expect(others).toHaveLength(MAX_LANES - 1);
    expect(successor(world, Number(first)).status).toBe("QUEUED");
    const tried = tryRedrive(world.shard, { v: 1, filter: { seq: second as never }, asOf: world.now });
    expect(tried).toMatchObject({ tried: 1, failed: 0, refusal: { code: "too-many-keys" } });
    expect(redrive(world, Number(second))).toMatchObject({ ok: false, code: "too-many-keys" });
    expect(world.shard.memory.dead.count).toBe(1);
  });

  it("which edit it was made with is told by the old one's record: the same, however it is spelled, or another", () => {
    const world = worldOf();
    const [a, b, c] = bury(world, [{ payload: '{"to":"x"}' }, {}, {}]);
    const edit = { payload: '{"x":{"a":1,"b":2},"y":3}', priority: 9 };
    successor(world, Number(a), edit);
    const became = (seq: number | undefined) => {
      const task = taskAt(world, Number(seq) as never);
      return task && redrivenAs(task);
    };
    expect(became(a)).toMatchObject({ at: world.now, mark: editMark(edit) });
    expect(editMark({ priority: 9, payload: '{"y":3,"x":{"b":2,"a":1}}' })).toBe(editMark(edit));
    expect(editMark({ priority: 8, payload: edit.payload })).not.toBe(editMark(edit));
    expect(editMark({ payload: "1" })).not.toBe(editMark({ payloadPatch: "1" }));
    successor(world, Number(b));
    expect(became(b)).toMatchObject({ id: expect.stringMatching(/^q\.0\.\w{11}$/), mark: null });
    expect(editMark(undefined)).toBe(editMark({}));
    expect(became(c)).toBe(null);
  });
});

describe("273 an edit", () => {
  const typed = () => {
    const world = worldOf();
    const payload = z.strictObject({ to: z.string(), retries: z.int().optional() });
    world.types.set("echo", handledType({ type: "echo", version: 3, payload }));
    return world;
  };

  it("changes the payload whole or by a merge patch, priority, time, timeout and retry; what is edited has the type's version", () => {
    const world = typed();
    const options = '{"retry":{"maxAttempts":1,"baseMs":7}}';
    const [a, b, c] = bury(
      world,
      Array.from({ length: 3 }, () => ({ payload: '{"to":"x","retries":1}', options })),
    );
    expect(successor(world, Number(a), { payload: '{"to":"y"}' })).toMatchObject({ payload: '{"to":"y"}', version: 3 });
    const patched = successor(world, Number(b), { payloadPatch: '{"retries":null,"to":"z"}', priority: 9 });
    expect(patched).toMatchObject({ payload: '{"to":"z"}', version: 3, priority: 9 });
    const later = successor(world, Number(c), { delayMs: 60_000, timeoutMs: 5, retry: { maxAttempts: 9 } });
    expect(later).toMatchObject({
      status: "SCHEDULED",
      runAt: world.now + 60_000,
      version: 1,
      options: { timeoutMs: 5, retry: { maxAttempts: 9, baseMs: 7 } },
    });
  });

  it("that does not fit the type leaves the dead letter, and says where", () => {
    const world = typed();
    const [seq] = bury(world, [{ payload: '{"to":"x"}' }]);
    const wrong = redrive(world, Number(seq), { payloadPatch: '{"to":7}' });
    expect(wrong).toMatchObject({ ok: false, code: "payload-invalid", errors: [{ pointer: "/edit/payloadPatch/to" }] });
    const both = redrive(world, Number(seq), { payloadPatch: '{"to":7,"retries":"x"}' });
    expect(both).toMatchObject({
      detail: "The payload does not fit the task type echo; GET /types/echo shows its schema.",
      errors: [{ pointer: "/edit/payloadPatch/to" }, { pointer: "/edit/payloadPatch/retries" }],
    });
    expect(redrive(world, Number(seq), { payload: "[]" })).toMatchObject({ ok: false, code: "payload-invalid" });
    const bad = redrive(world, Number(seq), { retry: { baseMs: 9, capMs: 1 } });
    expect(bad).toMatchObject({ ok: false, errors: [{ pointer: "/edit/retry/capMs" }] });
    expect(world.shard.memory.dead.count).toBe(1);
  });

  it("a merge patch is RFC 7396's, its own examples", () => {
    for (const [target, patch, result] of [
      ['{"a":"b"}', '{"a":"c"}', '{"a":"c"}'],
      ['{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'],
      ['{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'],
      ['{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'],
      ['{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'],
      ['{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'],
      ['["a","b"]', '["c","d"]', '["c","d"]'],
      ['{"e":null}', '{"a":1}', '{"e":null,"a":1}'],
      ["[1,2]", '{"a":"b","c":null}', '{"a":"b"}'],
      ["{}", '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'],
      ["{}", '{"__proto__":{"x":1}}', '{"__proto__":{"x":1}}'],
    ] as const)
      expect(JSON.stringify(mergePatch(JSON.parse(target), JSON.parse(patch)))).toBe(result);
  });
});
