/** What a session does when it hears that a task of it is to stop. */
import { describe, expect, it } from "vitest";
import { SessionPlan } from "../../consumers/session-plan.ts";
import type { Step } from "../../consumers/step.ts";
import type { Seq } from "../../core/ids.ts";
import type { AdvanceRequest, ClaimedTask, Handout } from "../../core/schema/session-rpc.ts";

const TERMS = { session: 1, slots: 1, leaseMs: 45_000, lingerMs: 100 };
const EMPTY: Handout = { tasks: [], lost: [], cancel: [], stop: "no" };
const NOW = 1_000;

function task(seq: number, started = true): ClaimedTask {
  return { seq: seq as Seq, type: "echo", version: 1, payload: "{}", attempt: 1, timeoutMs: 60_000, started };
}

function begin(tasks: ClaimedTask[], cancel: number[] = []): SessionPlan {
  return new SessionPlan(TERMS, { ...EMPTY, tasks, cancel: cancel as Seq[] }, false, NOW);
}

/** All that it does at a moment. */
function stepsOf(plan: SessionPlan, now = NOW): Step[] {
  const steps: Step[] = [];
  for (let next = plan.steps(now); next.length > 0; next = plan.steps(now)) steps.push(...next);
  return steps;
}

function sentBy(plan: SessionPlan, now = NOW): AdvanceRequest {
  const request = stepsOf(plan, now).find((step) => step.kind === "send")?.request;
  if (!request) throw new Error("it sends nothing");
  return request;
}

function answer(plan: SessionPlan, { turn }: AdvanceRequest, handout: Partial<Handout>): void {
  plan.answered(turn, { v: 1, ok: true, handout: { ...EMPTY, ...handout } }, NOW);
}

describe("217 a session that hears of a cancellation", () => {
  it("stops what runs, once, and says that it has heard until that is over", () => {
    const plan = begin([task(1)]);
    stepsOf(plan);
    const poll = sentBy(plan, NOW + 1_000);
    expect(poll.cancelling).toEqual([]);
    answer(plan, poll, { cancel: [1 as Seq] });
    expect(stepsOf(plan)).toEqual([{ kind: "cancel", seq: 1 }]);
    const next = sentBy(plan, NOW + 2_000);
    expect(next).toMatchObject({ cancelling: [1], holding: [1] });
    answer(plan, next, { cancel: [1 as Seq] });
    expect(stepsOf(plan)).toEqual([]);
    plan.ended({ kind: "succeeded", result: "1", seq: 1 as Seq, attempt: 1, startedAt: NOW, endedAt: NOW }, NOW);
    expect(sentBy(plan, NOW + 2_000)).toMatchObject({ outcomes: [{ seq: 1 }], cancelling: [] });
  });

  it("hands back unbegun what waits behind its slots, or came with its cancellation", () => {
    const plan = begin([task(1), task(2, false)], [2]);
    expect(plan.steps(NOW)).toMatchObject([{ kind: "start", task: { seq: 1 } }]);
    expect(sentBy(plan, NOW + 1_000)).toMatchObject({
      outcomes: [{ kind: "returned", hasBegun: false, seq: 2, turn: 0 }],
      holding: [1],
    });
  });

  it("does not begin what comes by an answer that was overtaken by that of its cancellation", () => {
    const plan = begin([task(1)]);
    stepsOf(plan);
    const poll = sentBy(plan, NOW + 1_000);
    plan.ended({ kind: "succeeded", result: "1", seq: 1 as Seq, attempt: 1, startedAt: NOW, endedAt: NOW }, NOW);
    const news = sentBy(plan, NOW + 1_000);
    answer(plan, news, { cancel: [5 as Seq] });
    answer(plan, poll, { tasks: [task(5)] });
    const steps = stepsOf(plan, NOW + 1_100);
    expect(steps.filter(({ kind }) => kind === "start")).toEqual([]);
    const told = steps.flatMap((step) => ("request" in step ? step.request.outcomes : []));
    expect(told).toMatchObject([{ kind: "returned", hasBegun: false, seq: 5 }]);
  });
});
