/** What a shard hands out: never what may not run, never more than may run, each slot as it frees. */
import { describe, expect, it } from "vitest";
import type { Seq } from "../../core/ids.ts";
import type { ClaimedTask, Outcome } from "../../core/schema/session-rpc.ts";
import { configure } from "../../durable-objects/queue-shard/configure.ts";
import { makeWorld, type ShardWorld } from "../support/node/shard-world.ts";

function openAt(world: ShardWorld, want = 64): { session: number; tasks: readonly ClaimedTask[] } {
  const opened = world.open({ want });
  if (!opened.ok || opened.session === null) throw new Error("no session");
  return { session: opened.session, tasks: opened.handout.tasks };
}

function handed(answer: ReturnType<ShardWorld["advance"]>): readonly ClaimedTask[] {
  if (!answer?.ok) throw new Error("no handout");
  return answer.handout.tasks;
}

function succeed(world: ShardWorld, { seq, attempt }: ClaimedTask): Outcome {
  return { kind: "succeeded", result: "null", seq, attempt, startedAt: world.now, endedAt: world.now };
}

const seqsOf = (tasks: readonly ClaimedTask[]): Seq[] => tasks.map(({ seq }) => seq);

describe("119 what may not run", () => {
  it("a type or a version that the worker lacks holds nothing back, however urgent and old", () => {
    const world = makeWorld();
    world.submit(Array.from({ length: 100 }, () => ({ type: "unknown", priority: 9 })));
    world.submit([{ type: "echo", version: 2, priority: 9 }]);
    const last = world.submit([{ type: "echo", priority: 0 }]);
    expect(openAt(world).tasks).toMatchObject([{ type: "echo", version: 1, seq: last.ok && last.seqs[0] }]);
  });

  it("a paused queue hands out nothing, and everything in order once it is resumed", () => {
    const world = makeWorld({ paused: true });
    const submitted = world.submit([{ priority: 1 }, { priority: 9 }, { priority: 5 }]);
    expect(world.open()).toMatchObject({ ok: true, session: null });
    const { settings } = world.shard.memory;
    if (!settings || !submitted.ok) throw new Error("no settings");
    configure(world.shard, { v: 1, settings: { ...settings, paused: false, version: settings.version + 1 } });
    const [low, high, normal] = submitted.seqs;
    expect(seqsOf(openAt(world).tasks)).toEqual([high, normal, low]);
  });
});

describe("121 concurrency", () => {
  it("is never exceeded by several sessions, and what frees is handed out again", () => {
    const world = makeWorld({ concurrency: 3, slots: 2 });
    world.submit(Array.from({ length: 10 }, () => ({})));
    const first = openAt(world);
    const second = openAt(world);
    expect([first.tasks.length, second.tasks.length]).toEqual([2, 1]);
    expect(world.open()).toMatchObject({ session: null });

    const [ended, kept] = first.tasks;
    if (!ended || !kept) throw new Error("two tasks were handed out");
    const outcomes = [succeed(world, ended)];
    const next = handed(world.advance({ session: first.session, turn: 1, holding: [kept.seq], outcomes, want: 64 }));
    expect(next).toHaveLength(1);
    expect(world.shard.memory.running).toBe(3);
  });
});

describe("127 slots", () => {
  it("five of six free up and are filled again while the sixth task goes on", () => {
    const world = makeWorld();
    world.submit(Array.from({ length: 20 }, () => ({})));
    const { session, tasks } = openAt(world);
    const [slow, ...quick] = tasks;
    if (!slow) throw new Error("nothing was handed out");
    expect(tasks).toHaveLength(6);
    const outcomes = quick.map((task) => succeed(world, task));
    const next = handed(world.advance({ session, turn: 1, holding: [slow.seq], outcomes, want: 5 }));
    expect(next.map(({ started }) => started)).toEqual([true, true, true, true, true]);
  });
});
