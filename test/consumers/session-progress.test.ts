/** How a session tells progress: with what it tells anyway, else twice a second, however often it was told. */
import { expect, it } from "vitest";
import { SessionPlan } from "../../consumers/session-plan.ts";
import type { Seq } from "../../core/ids.ts";
import type { AdvanceRequest, ClaimedTask, Handout, Outcome } from "../../core/schema/session-rpc.ts";

const TERMS = { session: 1, slots: 2, leaseMs: 45_000, lingerMs: 100 };
const EMPTY: Handout = { tasks: [], lost: [], cancel: [], stop: "no" };
const task = (seq: number): ClaimedTask => ({
  ...{ seq: seq as Seq, type: "echo", version: 1, payload: "{}", attempt: 1, timeoutMs: 60_000, started: true },
});
const SEQ = 1 as Seq;

function begun(...tasks: ClaimedTask[]) {
  const plan = new SessionPlan(TERMS, { ...EMPTY, tasks }, false, 0);
  plan.steps(0);
  const sent: AdvanceRequest[] = [];
  return {
    plan,
    sent,
    /** What it sends at that moment is answered empty, at once. */
    at(now: number) {
      for (const step of plan.steps(now)) {
        if (step.kind !== "send") continue;
        sent.push(step.request);
        plan.answered(step.request.turn, { v: 1, ok: true, handout: EMPTY }, now);
      }
    },
  };
}

it("287 ten thousand reports a second are two turns, each with the latest, and are thought of once a turn", () => {
  const { plan, sent, at } = begun(task(1), task(2));
  let thoughts = 0;
  for (let call = 1; call <= 10_000; call++) {
    const now = call / 10;
    if (plan.progressed(SEQ, `{"percent":${call}}`)) {
      thoughts++;
      at(now);
    }
    const look = plan.nextLook();
    if (look !== null && look <= now) at(now);
  }
  expect(sent.map(({ progress }) => progress.map(([, text]) => text))).toEqual([
    ['{"percent":1}'],
    ['{"percent":5001}'],
  ]);
  expect(thoughts).toBeLessThanOrEqual(3);
});

it("287 progress goes with a turn that tells an outcome, whenever that is", () => {
  const { plan, sent, at } = begun(task(1), task(2));
  plan.progressed(SEQ, '{"percent":1}');
  at(0);
  plan.progressed(SEQ, '{"percent":2}');
  at(1);
  expect(sent).toHaveLength(1);
  const outcome: Outcome = { kind: "succeeded", result: "1", seq: 2 as Seq, attempt: 1, startedAt: 0, endedAt: 2 };
  plan.ended(outcome, 2);
  at(2);
  expect(sent[1]).toMatchObject({ outcomes: [{ seq: 2 }], progress: [[1, '{"percent":2}']] });
});

it("287 what a lost turn carried is told again, unless there is newer; of a task that has ended nothing is told", () => {
  const plan = new SessionPlan(TERMS, { ...EMPTY, tasks: [task(1), task(2)] }, false, 0);
  plan.steps(0);
  const send = (now: number) => plan.steps(now).flatMap((step) => (step.kind === "send" ? [step.request] : []))[0];
  plan.progressed(SEQ, '{"percent":1}');
  plan.progressed(2 as Seq, '{"percent":10}');
  const lost = send(0);
  plan.progressed(SEQ, '{"percent":2}');
  expect(plan.failed(lost?.turn ?? 0, true, 100)).toBeNull();
  expect(send(500)?.progress).toEqual([
    [1, '{"percent":2}'],
    [2, '{"percent":10}'],
  ]);
  plan.progressed(SEQ, '{"percent":3}');
  plan.ended({ kind: "succeeded", result: "1", seq: SEQ, attempt: 1, startedAt: 0, endedAt: 2 }, 600);
  expect(plan.progressed(SEQ, '{"percent":4}')).toBe(false);
  expect(send(1_000)?.progress).toEqual([]);
});
