/** A session's turns when things go wrong: what it asks again, what it tells again, and what it must not mix up. */
import { describe, expect, it } from "vitest";
import { SessionPlan } from "../../consumers/session-plan.ts";
import type { Step } from "../../consumers/step.ts";
import type { Seq } from "../../core/ids.ts";
import type { AdvanceRequest, ClaimedTask, Handout, Outcome } from "../../core/schema/session-rpc.ts";

const TERMS = { session: 1, slots: 2, leaseMs: 45_000, lingerMs: 100 };
const EMPTY: Handout = { tasks: [], lost: [], cancel: [], stop: "no" };

function task(seq: number, attempt = 1): ClaimedTask {
  return { seq: seq as Seq, type: "echo", version: 1, payload: "{}", attempt, timeoutMs: 60_000, started: true };
}

class Drive {
  now = 1_000;
  readonly plan: SessionPlan;

  constructor(tasks: ClaimedTask[]) {
    this.plan = new SessionPlan(TERMS, { ...EMPTY, tasks }, false, this.now);
  }

  /** What it does now; once more after starts, as session.ts does. */
  steps(): Step[] {
    const first = this.plan.steps(this.now);
    return first.some(({ kind }) => kind === "start") ? [...first, ...this.plan.steps(this.now)] : first;
  }

  sent(): AdvanceRequest {
    const request = this.steps().find((step) => step.kind === "send")?.request;
    if (!request) throw new Error("it sends nothing");
    return request;
  }

  end(seq: number, attempt = 1): Outcome {
    const outcome: Outcome = {
      kind: "succeeded",
      result: "null",
      seq: seq as Seq,
      attempt,
      startedAt: this.now,
      endedAt: this.now,
    };
    this.plan.ended(outcome, this.now);
    return outcome;
  }

  answer({ turn }: AdvanceRequest, handout: Partial<Handout> = {}): void {
    this.plan.answered(turn, { v: 1, ok: true, handout: { ...EMPTY, ...handout } }, this.now);
  }
}

describe("a turn whose answer is lost", () => {
  it("128 is sent again as it was, while no newer one is under way", () => {
    const drive = new Drive([task(1), task(2)]);
    drive.steps();
    drive.end(1);
    const request = drive.sent();
    expect(drive.plan.failed(request.turn, false, drive.now)).toBe(request);
  });

  it("128 given up after a whole lease with no answer, it ends the session", () => {
    const drive = new Drive([task(1), task(2)]);
    drive.steps();
    drive.end(1);
    const first = drive.sent();
    drive.now += TERMS.leaseMs;
    expect([drive.plan.failed(first.turn, true, drive.now), drive.plan.isDone]).toEqual([null, false]);
    const second = drive.sent();
    drive.now += 1;
    expect([drive.plan.failed(second.turn, true, drive.now), drive.plan.isDone]).toEqual([null, true]);
  });

  it("137 given up, its outcomes are told with the next turn, and its tasks are held until an answer came", () => {
    const drive = new Drive([task(1), task(2)]);
    drive.steps();
    drive.end(1);
    const first = drive.sent();
    expect(first.outcomes).toMatchObject([{ seq: 1, turn: 0 }]);
    expect(drive.plan.failed(first.turn, true, drive.now)).toBeNull();
    drive.now += 5_000;
    const second = drive.sent();
    expect([second.turn, second.answered]).toEqual([2, 1]);
    expect(second.outcomes).toEqual(first.outcomes);
    drive.end(2);
    const close = [drive.answer(second), drive.sent()].at(-1);
    expect(close).toMatchObject({ turn: 3, outcomes: [{ seq: 2 }], holding: [] });
  });

  it("130 an outcome that is on its way keeps its task held in the turn that overtakes it", () => {
    const drive = new Drive([task(1), task(2)]);
    drive.steps();
    drive.end(1);
    const poll = drive.sent();
    expect(poll.waitMs).toBeGreaterThan(0);
    drive.end(2);
    expect(drive.sent()).toMatchObject({ outcomes: [{ seq: 2 }], holding: [1], answered: 0 });
  });
});

describe("131 a task that comes again while its earlier attempt is still here", () => {
  it("replaces it: the old one is abandoned, what it says is dropped, and the new one's outcome is told as its own", () => {
    const drive = new Drive([task(1), task(2)]);
    drive.steps();
    drive.end(2);
    const request = drive.sent();
    drive.answer(request, { tasks: [task(1, 2)] });
    const steps = drive.steps();
    expect(steps).toContainEqual({ kind: "abandon", seq: 1 });
    expect(steps).toContainEqual({ kind: "start", task: task(1, 2) });
    drive.end(1, 1);
    expect([...drive.plan.running.keys()]).toEqual([1]);
    drive.end(1, 2);
    expect(drive.plan.running.size).toBe(0);
  });

  it("tells of each outcome which turn handed its task out", () => {
    const drive = new Drive([task(1)]);
    drive.steps();
    drive.end(1);
    const first = drive.sent();
    drive.answer(first, { tasks: [task(1), task(5)] });
    drive.steps();
    drive.end(1);
    drive.end(5);
    expect(drive.sent().outcomes).toMatchObject([
      { seq: 1, turn: first.turn },
      { seq: 5, turn: first.turn },
    ]);
  });
});

describe("when a session looks again", () => {
  it("127 not while only an answer can change anything: what is overdue would be due again at once", () => {
    const drive = new Drive([task(1), task(2)]);
    drive.steps();
    drive.end(1);
    drive.sent();
    drive.end(2);
    drive.sent();
    drive.now += 60_000;
    expect(drive.steps()).toEqual([]);
    const look = drive.plan.nextLook();
    expect(look === null || look > drive.now).toBe(true);
  });
});

it("128 a session that was frozen tells at once what ended meanwhile: it has been silent for long enough", () => {
  const drive = new Drive([task(1), task(2), task(3)]);
  drive.steps();
  drive.now += 90_000;
  drive.end(1);
  expect(drive.sent().outcomes).toMatchObject([{ seq: 1 }]);
  expect(drive.plan.nextLook() ?? drive.now).toBeGreaterThanOrEqual(drive.now);
});
