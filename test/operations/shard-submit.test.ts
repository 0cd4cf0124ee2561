/** Group commit: submissions of one turn go in together, and each is answered as if it had come alone. */
import { describe, expect, it } from "vitest";
import { DEFAULT_SETTINGS } from "../../core/schema/queue-settings.ts";
import type { NewTask, SubmitAnswer } from "../../core/schema/rpc.ts";
import { submit } from "../../durable-objects/queue-shard/submit/submit.ts";
import { makeWorld } from "../support/node/shard-world.ts";

const PLAIN: NewTask = { type: "echo", version: 1, priority: 5, payload: "{}", runAt: null, options: null };

/** The answers to several submissions of one turn, each a list of tasks. */
function together(lists: readonly (readonly Partial<NewTask>[])[], depthLimit = 10_000) {
  const world = makeWorld();
  const settings = { ...DEFAULT_SETTINGS, depthLimit };
  const answers: (SubmitAnswer | null)[] = lists.map(() => null);
  for (const [i, list] of lists.entries()) {
    const tasks = list.map((task) => ({ ...PLAIN, ...task }));
    submit(world.shard, { v: 1, settingsVersion: 1, settings, atomic: true, tasks }, (answer) => {
      expect(answers[i]).toBeNull();
      answers[i] = answer;
    });
  }
  world.passTo(world.now);
  return { world, answers };
}

describe("111 submissions of one turn", () => {
  it("one that does not fit is refused, and its neighbours are accepted up to the limit", () => {
    const { world, answers } = together([[{}], [{}, {}], [{}, {}, {}], [{}]], 5);
    expect(answers.map((answer) => answer?.ok)).toEqual([true, true, false, true]);
    expect(answers[2]).toMatchObject({ code: "queue-full" });
    expect(world.shard.memory.lanes.queued).toBe(4);
  });

  it("one that the tables refuse fails alone, and every caller is answered once", () => {
    const { world, answers } = together([[{}], [{}], [{ priority: Number.NaN }], [{}]]);
    expect(answers.map((answer) => answer?.ok)).toEqual([true, true, false, true]);
    expect(answers[2]).toMatchObject({ code: "internal" });
    world.evict();
    expect(world.shard.memory.lanes.queued).toBe(3);
  });

  it("112 equal dedup keys meet within the turn and after it: one task, told to all", () => {
    const dedup = { key: "k", ttlMs: 60_000 };
    const { world, answers } = together([[{}], [{ dedup }], [{ dedup }]]);
    const [, first, second] = answers;
    if (!first?.ok || !second?.ok) throw new Error("not accepted");
    expect(second).toMatchObject({ seqs: first.seqs, duplicates: [0] });
    expect(world.submit([{ dedup }])).toMatchObject({ seqs: first.seqs, duplicates: [0] });
    world.passTo(world.now + 60_001);
    expect(world.submit([{ dedup }])).toMatchObject({ duplicates: [] });
  });
});
