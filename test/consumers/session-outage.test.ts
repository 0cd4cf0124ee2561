/** A session whose shard does not answer: it asks ever more seldom, and after a whole lease its tasks are others'. */
import { expect, test } from "vitest";
import { z } from "zod";
import { composeRegistry } from "../../consumers/handlers/compose.ts";
import { defineHandler } from "../../consumers/handlers/define.ts";
import { runSession } from "../../consumers/session.ts";
import { SessionPlan } from "../../consumers/session-plan.ts";
import { DEFAULT_QUEUE, DEFAULT_TENANT, seqAt } from "../../core/ids.ts";
import type { ClaimedTask } from "../../core/schema/session-rpc.ts";
import { HandClock } from "../support/node/hand-clock.ts";

const TERMS = { session: 7, slots: 20, leaseMs: 45_000, lingerMs: 100 };
const EMPTY = { tasks: [], lost: [], cancel: [], stop: "no" } as const;
/** More often than anything here waits. */
const STEP_MS = 10;

/** Twenty tasks, of which one ends each five seconds, so that there is news to tell. */
class Stay {
  readonly clock = new HandClock();
  readonly calls: number[] = [];
  /** Tasks that were stopped before their end. */
  readonly stopped: string[] = [];
  isOver = false;
  isAway = true;
  /** A newer turn ends the long poll, as in a shard. */
  #answerParked = () => {};

  constructor() {
    const { clock } = this;
    const since = clock.now();
    const handler = defineHandler({
      type: "t",
      version: 1,
      payload: z.number(),
      run: (seconds, { signal, taskId }) => {
        signal.addEventListener("abort", () => this.stopped.push(taskId));
        return new Promise<void>((end) => clock.later(seconds * 1_000, end));
      },
    });
    const first = seqAt(since);
    const tasks = Array.from({ length: 20 }, (_, i): ClaimedTask => {
      const seq = (first + i) as ClaimedTask["seq"];
      return { seq, type: "t", version: 1, payload: `${i * 5 + 1}`, attempt: 1, timeoutMs: 600_000, started: true };
    });
    const plan = new SessionPlan(TERMS, { ...EMPTY, tasks }, false, since);
    void runSession(plan, {
      registry: composeRegistry([handler]),
      address: { tenant: DEFAULT_TENANT, queue: DEFAULT_QUEUE, shard: 0 },
      ports: clock,
      env: {},
      log: () => {},
      onProgress: () => {},
      worker: "w",
      drainMs: 0,
      isWanted: async () => false,
      connect: () => ({
        advance: async ({ waitMs }) => {
          this.calls.push(clock.now() - since);
          if (this.isAway) throw new Error("the shard is away");
          this.#answerParked();
          await new Promise<void>((resolve) => {
            this.#answerParked = resolve;
            clock.later(waitMs, resolve);
          });
          return { v: 1, ok: true, handout: EMPTY };
        },
        close: async () => ({ v: 1, ok: true, lost: [] }),
      }),
    }).then(() => {
      this.isOver = true;
    });
  }

  async run(ms: number): Promise<void> {
    for (let passed = 0; passed < ms && !this.isOver; passed += STEP_MS) {
      this.clock.advance(STEP_MS);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

test("128 it asks ever more seldom, also for news, and stops its tasks when a whole lease has brought no answer", async () => {
  const stay = new Stay();
  await stay.run(60_000);
  expect(stay.isOver).toBe(true);
  expect(stay.stopped.length).toBeGreaterThan(5);
  const gaps = stay.calls.slice(1).map((at, i) => at - (stay.calls[i] ?? 0));
  // Two calls may be under way, each 1.6 s after what it follows.
  expect(stay.calls.length).toBeLessThan(2 * (48_000 / 1_600));
  expect(Math.max(...gaps.slice(0, 2))).toBeLessThan(1_600);
});

test("128 once answered it tells each end at once again", async () => {
  const stay = new Stay();
  await stay.run(20_500);
  stay.isAway = false;
  await stay.run(40_000);
  expect([stay.isOver, stay.stopped]).toEqual([false, []]);
  const ends = [26_000, 31_000, 36_000, 41_000, 46_000, 51_000, 56_000];
  expect(ends.filter((end) => !stay.calls.some((at) => at >= end && at <= end + 1_000))).toEqual([]);
});
