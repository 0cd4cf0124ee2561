/** How much a session asks for: its slots, and ahead of them only what is quick. */
import { describe, expect, test } from "vitest";
import { SessionPlan } from "../../consumers/session-plan.ts";
import type { Seq } from "../../core/ids.ts";
import type { AdvanceRequest, ClaimedTask, Handout } from "../../core/schema/session-rpc.ts";

const SLOTS = 6;
let seq = 0;

function handout(count: number): Handout {
  const tasks = Array.from({ length: count }, (): ClaimedTask => {
    return {
      seq: ++seq as Seq,
      type: "echo",
      version: 1,
      payload: "{}",
      attempt: 1,
      timeoutMs: 60_000,
      started: true,
    };
  });
  return { tasks, lost: [], cancel: [], stop: "no" };
}

/** Runs a session whose tasks take `ms` each, for some turns. @returns what it asked for in each */
function wantsOf(ms: number, turns = 4): AdvanceRequest[] {
  let now = 0;
  const terms = { session: 1, slots: SLOTS, leaseMs: 45_000, lingerMs: 100 };
  const plan = new SessionPlan(terms, handout(SLOTS), false, now);
  const sent: AdvanceRequest[] = [];
  for (let round = 0; sent.length < turns && round < 40 * turns; round++) {
    // Once more after starts: nothing is sent in the same breath.
    for (const step of [...plan.steps(now), ...plan.steps(now)]) {
      if (step.kind !== "send") continue;
      sent.push(step.request);
      now += 1;
      plan.answered(step.request.turn, { v: 1, ok: true, handout: handout(step.request.want) }, now);
    }
    now += ms;
    for (const { task } of [...plan.running.values()]) {
      const times = { startedAt: now, endedAt: now };
      plan.ended({ kind: "succeeded", result: "null", seq: task.seq, attempt: 1, ...times }, now);
    }
  }
  if (sent.length < turns) throw new Error(`it asked ${sent.length} times`);
  return sent;
}

describe("127 how much a session asks for", () => {
  test("of tasks that take longer than 20 ms no more than its free slots", () => {
    expect(Math.max(...wantsOf(50, 10).map(({ want }) => want))).toBe(SLOTS);
  });

  test("of quick ones as many as a few milliseconds hold, and 128 ahead at most", () => {
    const last = wantsOf(1).at(-1);
    expect(last?.want).toBeGreaterThan(SLOTS);
    expect(wantsOf(0, 30).at(-1)?.want).toBeLessThanOrEqual(SLOTS + 128);
  });
});
