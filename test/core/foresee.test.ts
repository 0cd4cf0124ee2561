/** Looking ahead on a copy: what starts before a task, and that the original is as it was. */
import { describe, expect, it } from "vitest";
import { type Effort, placesOf } from "../../core/count-ahead.ts";
import { Fair } from "../../core/fair.ts";
import { Foresight, type ForesightOf } from "../../core/foresee.ts";
import { type Seq, seqAt } from "../../core/ids.ts";
import { WINDOW } from "../../core/lane-window.ts";
import { type LaneKey, Lanes } from "../../core/lanes.ts";
import { Limits } from "../../core/limits.ts";
import { DEFAULT_SETTINGS, type QueueSettings } from "../../core/schema/queue-settings.ts";

const NOW = Date.UTC(2026, 0, 1);
const PLAIN: LaneKey = { priority: 5, type: "echo", version: 1, limitKey: null, fairnessKey: null, mode: "normal" };

class Waiting {
  readonly lanes = new Lanes();
  #seq = seqAt(NOW) as number;

  /** @returns the last of them */
  wait(count: number, patch: Partial<LaneKey> = {}): Seq {
    const key = { ...PLAIN, ...patch };
    const lane = this.lanes.find(key) ?? this.lanes.add(this.lanes.size + 1, key);
    for (let i = 0; i < count; i++) this.lanes.enqueue(lane, ++this.#seq as Seq);
    return this.#seq as Seq;
  }

  /** What waits from now on came so long after the first (ms). */
  pass(ms: number): void {
    this.#seq = seqAt(NOW + ms) as number;
  }

  /** All seqs of a lane follow each other, so its next window follows from its edge. */
  ahead(
    seq: Seq,
    told: Partial<LaneKey> = {},
    { rules = {}, soloRoom = 1, most, isWanted = () => true }: Looking = {},
  ) {
    const lanes = this.lanes.copy(16, isWanted);
    const refill: ForesightOf["refill"] = (lane) =>
      lanes.refill(
        lane,
        Array.from({ length: Math.min(WINDOW, lane.count) }, (_, i) => (lane.edge + 1 + i) as Seq),
      );
    const limits = rules.settings
      ? new Limits({ ...DEFAULT_SETTINGS, ...rules.settings }, { shard: 0, lanes, running: [], levels: new Map() }, NOW)
      : null;
    const { fair = null, ageStepMs = null, now = NOW } = rules;
    const foresight = new Foresight({
      lanes,
      rules: { knows: (_type, version) => version <= 1, limits, fair, ageStepMs, now },
      soloRoom,
      refill,
    });
    const effort: Effort = { left: Number.POSITIVE_INFINITY };
    return placesOf(foresight, [{ ...PLAIN, ...told, seq, runAt: null }], effort, most).get(seq)?.ahead ?? null;
  }
}

interface Looking {
  readonly rules?: {
    readonly settings?: Partial<QueueSettings>;
    readonly fair?: Fair;
    readonly ageStepMs?: number;
    readonly now?: number;
  };
  readonly soloRoom?: number;
  readonly most?: number;
  readonly isWanted?: (key: LaneKey) => boolean;
}

describe("276 what goes before a task", () => {
  it("is counted by why it does: more urgent, older, and of its type or key", () => {
    const waiting = new Waiting();
    waiting.wait(3, { priority: 9, type: "other" });
    waiting.wait(40, { limitKey: "a" });
    const seq = waiting.wait(1, { limitKey: "b" });
    waiting.wait(5);
    expect(waiting.ahead(seq, { limitKey: "b" })).toEqual({
      count: 43,
      more: false,
      moreUrgent: 3,
      raised: 0,
      older: 40,
      byTurn: 0,
      ofType: 40,
      ofKey: 0,
      sure: { all: 0, ofType: 0, ofKey: 0 },
    });
  });

  it("is sure of those that nothing else may hold back, and that neither age nor a turn may let it pass", () => {
    const waiting = new Waiting();
    waiting.wait(3, { priority: 9, type: "other" });
    waiting.wait(4, { limitKey: "a" });
    waiting.wait(2, { limitKey: "b", fairnessKey: "f" });
    const seq = waiting.wait(1, { limitKey: "b" });
    waiting.wait(1, { priority: 7 });
    const settings = { rate: { limit: 1, periodMs: 1_000 } };
    const sure = (rules: Looking["rules"]) =>
      waiting.ahead(seq, { limitKey: "b" }, { rules: { settings, ...rules } })?.sure;
    expect(sure({})).toEqual({ all: 10, ofType: 7, ofKey: 2 });
    expect(sure({ ageStepMs: 1_000 })).toEqual({ all: 9, ofType: 6, ofKey: 2 });
    expect(sure({ fair: new Fair({}) })).toMatchObject({ all: 8, ofKey: 0 });
  });

  it("is not sure of one whose age has raised it level, nor of one that must run alone", () => {
    const settings = { rate: { limit: 1, periodMs: 1_000 } };
    const aged = new Waiting();
    aged.wait(2, { priority: 4 });
    aged.pass(950);
    const seq = aged.wait(1);
    // 100 ms later it gains a priority, the older ones 50 ms after that.
    const rules = { settings, ageStepMs: 1_000, now: NOW + 1_850 };
    expect(aged.ahead(seq, {}, { rules })).toMatchObject({ count: 2, older: 2, sure: { all: 0 } });
    const alone = new Waiting();
    alone.wait(1, { mode: "solo" });
    alone.wait(1);
    expect(alone.ahead(alone.wait(1), {}, { rules: { settings } })).toMatchObject({ count: 2, sure: { all: 1 } });
  });

  it("is raised or older, each by its own age, though of one lane", () => {
    const waiting = new Waiting();
    waiting.wait(1, { priority: 0 });
    waiting.pass(1_000);
    waiting.wait(1, { priority: 0 });
    waiting.pass(4_000);
    const seq = waiting.wait(1, { priority: 3 });
    const rules = { ageStepMs: 1_000, now: NOW + 6_000 };
    expect(waiting.ahead(seq, { priority: 3 }, { rules })).toMatchObject({ count: 2, raised: 1, older: 1 });
  });

  it("is counted to a bound", () => {
    const waiting = new Waiting();
    waiting.wait(300);
    const seq = waiting.wait(1);
    expect(waiting.ahead(seq, {}, { most: 300 })).toMatchObject({ count: 300, more: false });
    expect(waiting.ahead(seq, {}, { most: 299 })).toMatchObject({ count: 299, more: true });
  });

  it("is older where age has raised all as far as may be, or of a key whose turn it is", () => {
    const waiting = new Waiting();
    waiting.wait(2, { priority: 1 });
    const seq = waiting.wait(1, { priority: 4 });
    const later = { ageStepMs: 1_000, now: NOW + 4_000 };
    expect(waiting.ahead(seq, { priority: 4 }, { rules: later })).toMatchObject({ count: 0 });
    // By then all are at the highest priority, where the oldest goes first.
    const last = { ageStepMs: 1_000, now: NOW + 60_000 };
    expect(waiting.ahead(seq, { priority: 4 }, { rules: last })).toMatchObject({ count: 2, older: 2, raised: 0 });
    const fair = new Waiting();
    const second = fair.wait(2, { fairnessKey: "a" });
    fair.wait(9, { fairnessKey: "b" });
    expect(fair.ahead(second, { fairnessKey: "a" }, { rules: { fair: new Fair({}) } })).toMatchObject({
      count: 2,
      older: 1,
      byTurn: 1,
    });
  });

  it("is not known of one that its limits never let start; over its own kind it is", () => {
    const waiting = new Waiting();
    waiting.wait(9);
    const seq = waiting.wait(4, { limitKey: "a" });
    const rules = { settings: { keyLimits: { concurrency: 2 } } };
    expect(waiting.ahead(seq, { limitKey: "a" }, { rules })).toBeNull();
    const isWanted = ({ limitKey }: LaneKey) => limitKey === "a";
    expect(waiting.ahead(seq, { limitKey: "a" }, { isWanted })).toMatchObject({ count: 3, ofKey: 3 });
  });

  it("starts one alone of those that must run alone, or none where another does", () => {
    const waiting = new Waiting();
    const first = waiting.wait(1, { mode: "solo" });
    const second = waiting.wait(1, { mode: "solo" });
    expect(waiting.ahead(first, { mode: "solo" })).toMatchObject({ count: 0 });
    expect(waiting.ahead(second, { mode: "solo" })).toBeNull();
    expect(waiting.ahead(first, { mode: "solo" }, { soloRoom: 0 })).toBeNull();
  });
});

it("261 a copy of lanes and turns is apart from what it was copied from", () => {
  const waiting = new Waiting();
  const seq = waiting.wait(200, { fairnessKey: "a", limitKey: "k" });
  const { lanes } = waiting;
  const before = Array.from(lanes.all(), ({ count, window, next, edge, at }) => [count, [...window], next, edge, at]);
  waiting.ahead(seq, { fairnessKey: "a", limitKey: "k" });
  const after = Array.from(lanes.all(), ({ count, window, next, edge, at }) => [count, [...window], next, edge, at]);
  expect(after).toEqual(before);
  expect([lanes.queued, lanes.isClosed("k")]).toEqual([200, false]);
  const fair = new Fair({ a: 2 });
  fair.started({ priority: 5, fairnessKey: "a" });
  const copy = fair.copy();
  copy.started({ priority: 5, fairnessKey: "a" });
  copy.started({ priority: 5, fairnessKey: "a" });
  expect(fair.timeOf({ priority: 5, fairnessKey: "a" })).toBe(0.5);
  expect(copy.timeOf({ priority: 5, fairnessKey: "a" })).toBe(1.5);
});
