/** The one alarm of a shard on the real runtime: early, lost, or with memory gone, it is set again and its work is done. */
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import { call } from "../support/workerd/call.ts";
import { evict, open, read, stubOf, submit, summary } from "../support/workerd/shard.ts";

const PATIENCE = { timeout: 10_000, interval: 20 };
const HOUR = 3_600_000;

const alarmOf = (queue: string) => runInDurableObject(stubOf(queue), (_instance, { storage }) => storage.getAlarm());
const loseAlarm = (queue: string) =>
  runInDurableObject(stubOf(queue), (_instance, { storage }) => storage.deleteAlarm());

describe("a shard's alarm", () => {
  it("106 stands at the earliest moment that a task is due, and an early one changes nothing and is set again", async () => {
    const queue = "al-early";
    const runAt = Date.now() + HOUR;
    const [seq] = await submit(queue, [{ runAt: runAt + HOUR }, { runAt }].toReversed());
    expect(await alarmOf(queue)).toBe(runAt);
    expect(await runDurableObjectAlarm(stubOf(queue))).toBe(true);
    expect(await alarmOf(queue)).toBe(runAt);
    expect(await summary(queue)).toMatchObject({ queued: 0, scheduled: 2 });
    expect(await read(queue, seq === undefined ? [] : [seq])).toMatchObject([{ status: "SCHEDULED", runAt }]);
  });

  it("106 brings a due task to its lane, in an object that has lost its memory too", async () => {
    const queue = "al-due";
    await submit(queue, [{ runAt: Date.now() + 300 }]);
    await evict(queue);
    // No question is asked of the shard itself: that would do what is due as well.
    await vi.waitFor(async () => {
      const queued = await runInDurableObject(stubOf(queue), (_instance, { storage }) =>
        storage.sql.exec("SELECT 1 FROM task WHERE status = 'QUEUED'").toArray(),
      );
      expect(queued).toHaveLength(1);
    }, PATIENCE);
  });

  it("that is lost is set again when the object starts", async () => {
    const queue = "al-lost";
    const runAt = Date.now() + HOUR;
    await submit(queue, [{ runAt }]);
    await loseAlarm(queue);
    expect(await alarmOf(queue)).toBeNull();
    await evict(queue);
    await summary(queue);
    expect(await alarmOf(queue)).toBe(runAt);
  });

  it("164 sends to history what an object finished before it lost its memory", async () => {
    const queue = "al-flush";
    await call("PUT", "/queues/al-flush", {});
    const seqs = await submit(queue, [{}, {}, {}]);
    const hands = await open(queue, 3);
    await hands.close(hands.holding);
    await evict(queue);
    const kept = async () =>
      (await env.HISTORY_0.prepare("SELECT seq, status FROM history WHERE queue = 'al-flush' ORDER BY seq").all())
        .results;
    await vi.waitFor(async () => expect(await kept()).toHaveLength(3), PATIENCE);
    expect(await kept()).toEqual(seqs.map((seq) => ({ seq, status: "SUCCEEDED" })));
    await vi.waitFor(async () => expect(await summary(queue)).toMatchObject({ outboxRows: 0 }), PATIENCE);
  });

  it("135 is not set while a shard has nothing that it could do", async () => {
    const queue = "al-quiet";
    await submit(queue, [{}, {}, {}], { paused: true });
    expect(await alarmOf(queue)).toBeNull();
    await evict(queue);
    expect(await summary(queue)).toMatchObject({ queued: 3 });
    expect(await alarmOf(queue)).toBeNull();
  });
});
