/** A shard that loses its memory at any moment, on the real runtime: what it knew is on disk, and its sessions go on. */
import { runInDurableObject } from "cloudflare:test";
import { describe, expect, it, vi } from "vitest";
import { call } from "../support/workerd/call.ts";
import { accepted, evict, open, read, shardOf, stubOf, submit, succeeded, summary } from "../support/workerd/shard.ts";

const PATIENCE = { timeout: 20_000, interval: 20 };
const tasks = (count: number, task = {}) => Array.from({ length: count }, () => task);

describe("a shard that is evicted", () => {
  it("117 118 between submission and claim: what waits is handed out in its order, the counts are exact", async () => {
    const queue = "ev-claim";
    const low = await submit(queue, tasks(3, { priority: 2 }));
    await evict(queue);
    const high = await submit(queue, tasks(2, { priority: 9 }));
    await evict(queue);
    expect(await summary(queue)).toMatchObject({ depth: 5, queued: 5, running: 0 });
    const hands = await open(queue, 4);
    expect(hands.holding.map(({ seq }) => seq)).toEqual([...high, ...low.slice(0, 2)]);
    await evict(queue);
    expect(await summary(queue)).toMatchObject({ depth: 5, queued: 1, running: 4, sessions: 1 });
  });

  it("156 the depth limit stays exact", async () => {
    const queue = "ev-depth";
    await submit(queue, tasks(7), { depthLimit: 10 });
    await evict(queue);
    await submit(queue, tasks(3), { depthLimit: 10 });
    await evict(queue);
    await expect(submit(queue, tasks(1), { depthLimit: 10 })).rejects.toThrow("queue-full");
  });

  it("128 in the middle of a session: the turn that got no answer is sent again, and nothing is applied twice", async () => {
    const queue = "ev-turn";
    const seqs = await submit(queue, tasks(6));
    const hands = await open(queue, 2);
    const [first, second] = hands.holding;
    if (!first || !second) throw new Error("two were asked for");
    await evict(queue);

    const turn = hands.next([first], 1);
    // The answer to this one is lost, with the memory.
    const lost = accepted(await shardOf(queue).advance(turn)).handout.tasks;
    await evict(queue);
    const again = await hands.advance(turn);
    expect(again.tasks).toEqual(lost);
    expect(again.tasks.map(({ seq }) => seq)).toEqual([seqs[2]]);
    expect(again.lost).toEqual([]);
    expect(await summary(queue)).toMatchObject({ depth: 5, queued: 3, running: 2 });
    await evict(queue);
    expect(await hands.close(hands.holding)).toEqual([]);
    expect(await summary(queue)).toMatchObject({ depth: 3, queued: 3, running: 0, sessions: 0 });
    expect((await read(queue, seqs)).map((task) => task?.status ?? "gone to history")).toEqual([
      ...tasks(3).map(() => expect.stringMatching(/SUCCEEDED|gone/)),
      ...tasks(3).map(() => "QUEUED"),
    ]);
  });

  it("130 a handing over that was lost with the memory is taken back, and no attempt is spent", async () => {
    const queue = "ev-lost";
    const seqs = await submit(queue, tasks(3));
    const hands = await open(queue, 1);
    await shardOf(queue).advance(hands.next([], 1));
    await evict(queue);
    // The session never heard of the second task: it says so by not holding it.
    await hands.advance(hands.next([], 0));
    const [, task] = await read(queue, seqs);
    expect(task).toMatchObject({ status: "QUEUED", attempts: [] });
    await evict(queue);
    const other = await open(queue, 3);
    expect(other.holding.map(({ seq, attempt }) => [seq, attempt])).toEqual([
      [seqs[1], 1],
      [seqs[2], 1],
    ]);
  });

  it("130 a session whose opening was lost with the memory is given again to the worker that asks for the same stay", async () => {
    const queue = "ev-open";
    await submit(queue, tasks(5));
    const lost = await open(queue, 2, { stay: "this one" });
    await evict(queue);
    const again = await open(queue, 2, { stay: "this one" });
    expect([again.session, again.holding]).toEqual([lost.session, lost.holding]);
    const other = await open(queue, 2, { stay: "another one" });
    expect(other.session).not.toBe(again.session);
    await again.advance(again.next(again.holding.slice(0, 1), 0));
    // It has spoken since: whoever asks now is a copy that comes late.
    const late = await open(queue, 1, { stay: "this one" });
    expect(late.session).not.toBe(again.session);
    expect(await summary(queue)).toMatchObject({ depth: 4, queued: 0, running: 4, sessions: 3 });
  });

  it("131 an outcome counts for the session that has the task, whatever the shard remembers; any other is told as lost", async () => {
    const queue = "ev-fence";
    await submit(queue, tasks(2));
    const mine = await open(queue, 1);
    const [task] = mine.holding;
    const yours = await open(queue, 1);
    const [other] = yours.holding;
    if (!task || !other) throw new Error("one was asked for");
    await evict(queue);
    const wrong = await mine.advance(mine.next([], 0, { outcomes: [succeeded(other)] }));
    expect(wrong.lost).toEqual([other.seq]);
    await evict(queue);
    expect(await yours.close([other])).toEqual([]);
    expect(await mine.close([task])).toEqual([]);
    expect(await summary(queue)).toMatchObject({ depth: 0, sessions: 0 });
  });

  it("147 the sessions of a runtime that died are over at once: what had begun crashed, what had not goes back", async () => {
    const queue = "ev-boot";
    const seqs = await submit(queue, tasks(3), { slots: 2 });
    const hands = await open(queue, 2, { kind: "consumer", boot: "one that is over" });
    await hands.advance(hands.next([], 1));
    expect(await summary(queue)).toMatchObject({ running: 3 });
    await evict(queue);
    expect(await summary(queue)).toMatchObject({ queued: 1, scheduled: 2, running: 0, sessions: 0 });
    const [first, second, third] = await read(queue, seqs);
    for (const task of [first, second])
      expect(task).toMatchObject({ status: "RETRYING", crashes: 1, attempts: [{ outcome: "crashed" }] });
    expect(third).toMatchObject({ status: "QUEUED", crashes: 0, attempts: [] });
  });

  it("115 gives no id twice, and rising ones, with tasks in the table and without", async () => {
    const queue = "ev-ids";
    const seen: number[] = [];
    for (let round = 0; round < 6; round++) {
      seen.push(...(await submit(queue, tasks(5), { slots: 20 })));
      if (round % 2) {
        const hands = await open(queue, 20);
        await hands.close(hands.holding);
        await vi.waitFor(async () => expect(await summary(queue)).toMatchObject({ depth: 0, outboxRows: 0 }), PATIENCE);
      }
      await evict(queue);
    }
    expect(new Set(seen).size).toBe(30);
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
  });

  it("151 again and again under consumers that work: every task ends well, in one attempt", async () => {
    await call("PUT", "/queues/ev-busy", { maxSessions: 3 });
    const batches: { batch: string; ids: string[] }[] = [];
    for (let round = 0; round < 8; round++) {
      const sleeps = Array.from({ length: 40 }, (_, i) => ({ type: "sleep", payload: { ms: i }, queue: "ev-busy" }));
      const { batch, ids } = (await call("POST", "/tasks/submissions", { tasks: sleeps })).body;
      batches.push({ batch: String(batch), ids: (ids ?? []).map(String) });
      await evict("ev-busy");
    }
    for (const { batch, ids } of batches) {
      await vi.waitFor(
        async () => expect((await call("GET", `/tasks/submissions?batch=${batch}`)).body.finished).toBe(40),
        PATIENCE,
      );
      const { body } = await call("GET", `/tasks/submissions?ids=${ids.join(",")}`);
      for (const { status, attempts } of body.tasks ?? []) expect([status, attempts?.length]).toEqual(["SUCCEEDED", 1]);
    }
  });

  it("a shard that was only asked something has no tables", async () => {
    const queue = "ev-asked";
    expect(await summary(queue)).toMatchObject({ depth: 0, settingsVersion: 0 });
    await evict(queue);
    await runInDurableObject(stubOf(queue), (_instance, { storage }) => {
      expect(storage.sql.exec("SELECT name FROM sqlite_master WHERE name = 'task'").toArray()).toEqual([]);
    });
  });
});
