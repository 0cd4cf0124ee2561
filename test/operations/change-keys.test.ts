/** A task that is given another payload: what was made of the one before goes with that. */
import { describe, expect, it } from "vitest";
import type { Seq } from "../../core/ids.ts";
import { uniqueOf } from "../../core/keys.ts";
import { declaredType, isFault, makeTask } from "../../core/make-task.ts";
import type { NewTask } from "../../core/schema/rpc.ts";
import type { SubmittedTask } from "../../core/schema/submission.ts";
import { change } from "../../durable-objects/queue-shard/waiting/change.ts";
import { makeWorld, type ShardWorld } from "../support/node/shard-world.ts";
import { succeeded, taskAt, WorkerHand } from "../support/node/worker-hand.ts";

/** As the door makes it, with its key. */
async function made(world: ShardWorld, told: Omit<SubmittedTask, "type">): Promise<NewTask> {
  const submitted: SubmittedTask = { type: "echo", ...told };
  const task = makeTask(submitted, declaredType("echo"), world.now);
  if (isFault(task)) throw new Error(task.detail);
  return { ...task, dedup: await uniqueOf(submitted, async (text) => text) };
}

async function submit(world: ShardWorld, told: Omit<SubmittedTask, "type">) {
  const answer = world.submit([await made(world, told)]);
  if (!answer.ok) throw new Error(answer.code);
  return { seq: answer.seqs[0] as Seq, isNew: answer.duplicates.length === 0 };
}

function patch(world: ShardWorld, seq: Seq, payload: unknown) {
  return change(world.shard, {
    v: 1,
    seq,
    rev: null,
    changes: { payload: { text: JSON.stringify(payload), version: 1 } },
  });
}

const keysOf = (world: ShardWorld) => world.shard.sql.all("SELECT key FROM dedup").length;
const UNIQUE = { by: "payload", within: "running" } as const;

describe("221 another payload", () => {
  it.each<[string, Omit<SubmittedTask, "type" | "payload">]>([
    ["while it runs", { unique: UNIQUE }],
    ["within a window", { unique: { by: "payload", within: "window", windowSeconds: 60 } }],
    ["replaced", { unique: { by: "payload", within: "queued", onConflict: "replace" } }],
    ["debounced", { unique: { by: "payload" }, debounceSeconds: 5 }],
    ["throttled", { unique: { by: "payload" }, throttleSeconds: 5 }],
  ])(
    "loses the key that was made of the one before: what comes with that is a task of its own (%s)",
    async (_, told) => {
      const world = makeWorld();
      const { seq } = await submit(world, { payload: "A", ...told });
      patch(world, seq, "B");
      expect(keysOf(world)).toBe(0);
      const again = await submit(world, { payload: "A", ...told });
      expect(again.isNew).toBe(true);
      expect((await submit(world, { payload: "A", ...told })).seq).toBe(again.seq);
      expect([taskAt(world, seq)?.payload, taskAt(world, again.seq)?.payload]).toEqual(['"B"', '"A"']);
    },
  );

  it("keeps a key that was named, and one of a payload that is the same, whatever the order of its fields", async () => {
    const world = makeWorld();
    const named = await submit(world, { payload: 1, unique: { by: "key", key: "k", within: "running" } });
    patch(world, named.seq, 2);
    expect(await submit(world, { payload: 3, unique: { by: "key", key: "k", within: "running" } })).toEqual({
      seq: named.seq,
      isNew: false,
    });
    const same = await submit(world, { payload: { a: 1, b: 2 }, unique: UNIQUE });
    expect(patch(world, same.seq, { b: 2, a: 1 })).toMatchObject({ task: { rev: 1, moves: [] } });
    expect((await submit(world, { payload: { b: 2, a: 1 }, unique: UNIQUE })).isNew).toBe(false);
  });

  it("keeps its key where the payload is the same in another version, though not its place in the cache", async () => {
    const world = makeWorld();
    const { seq } = await submit(world, { payload: "A", unique: UNIQUE });
    const payload = { text: '"A"', version: 2 };
    expect(change(world.shard, { v: 1, seq, rev: null, changes: { payload } })).toMatchObject({ task: { version: 2 } });
    expect(await submit(world, { payload: "A", unique: UNIQUE })).toEqual({ seq, isNew: false });
  });

  it("of one of a batch takes that one's key, not its neighbour's", async () => {
    const world = makeWorld();
    const tasks = await Promise.all(["A", "B"].map((payload) => made(world, { payload, unique: UNIQUE })));
    const answer = world.submit(tasks);
    const [first, second] = answer.ok ? answer.seqs : [];
    patch(world, second as Seq, "C");
    expect((await submit(world, { payload: "B", unique: UNIQUE })).isNew).toBe(true);
    expect(await submit(world, { payload: "A", unique: UNIQUE })).toEqual({ seq: first, isNew: false });
  });

  it("takes no key from a task that came after it", async () => {
    const world = makeWorld();
    const first = await submit(world, { payload: "A", unique: UNIQUE });
    patch(world, first.seq, "B");
    const second = await submit(world, { payload: "A", unique: UNIQUE });
    patch(world, first.seq, "C");
    const hand = new WorkerHand(world);
    hand.say({ outcomes: hand.tasks.filter(({ seq }) => seq === first.seq).map((task) => succeeded(world, task)) });
    expect((await submit(world, { payload: "A", unique: UNIQUE })).seq).toBe(second.seq);
  });
});

describe("159 a task shows what decided whether it was made", () => {
  it("as it was told and not the key; replaced, it keeps its key for as long as the first one said", async () => {
    const world = makeWorld();
    const unique = { by: "key", key: "k", within: "running", onConflict: "replace" } as const;
    const { seq } = await submit(world, { payload: 1, unique, cache: "refresh" });
    expect(taskAt(world, seq)?.options).toEqual({ unique: { by: "key", within: "running" }, cacheMode: "refresh" });
    await submit(world, { payload: 2, unique: { ...unique, within: "queued" } });
    expect(taskAt(world, seq)).toMatchObject({ payload: "2", options: { unique: { by: "key", within: "running" } } });
    const debounced = await submit(world, { payload: 1, debounceSeconds: 5 });
    await submit(world, { payload: 2, debounceSeconds: 9 });
    expect(taskAt(world, debounced.seq)?.options).toEqual({ debounceSeconds: 9 });
  });

  it("221 and no more what it lost with its payload", async () => {
    const world = makeWorld();
    const { seq } = await submit(world, { payload: "A", unique: UNIQUE, tags: ["t"] });
    expect(taskAt(world, seq)).toMatchObject({ tags: ["t"], options: { unique: UNIQUE } });
    patch(world, seq, "B");
    expect(taskAt(world, seq)).toMatchObject({ tags: ["t"] });
    expect(taskAt(world, seq)).not.toHaveProperty("options");
  });
});
