/** How many shards a queue should have, and that it does not swing. */
import { describe, expect, it } from "vitest";
import {
  type AutoscaleRule,
  DOWN_EVERY_MS,
  LOW_FOR_MS,
  type QueueLoad,
  type ScaleState,
  scale,
  UP_EVERY_MS,
} from "../../core/autoscale.ts";

const RULE: AutoscaleRule = { minShards: 1, maxShards: 8, targetDepth: 100, targetWaitMs: 10_000 };
const FRESH: ScaleState = { changedAt: null, lowSince: null };
const NOW = 1_000_000_000;

const look = (load: Partial<QueueLoad>, state: Partial<ScaleState> = {}, now = NOW) =>
  scale(RULE, { shards: 2, waiting: 0, oldestMs: 0, ...load }, { ...FRESH, ...state }, now);

describe("259 up", () => {
  it("to what the waiting tasks ask for, at most twice as many at a time, never above the rule", () => {
    expect(look({ waiting: 201 }).step).toMatchObject({ shards: 3 });
    expect(look({ waiting: 5_000 }).step).toMatchObject({ shards: 4 });
    expect(look({ shards: 6, waiting: 5_000 }).step).toMatchObject({ shards: 8 });
    expect(look({ shards: 8, waiting: 5_000 }).step).toBeNull();
  });

  it("by one where the oldest has waited too long, though few wait; the reason says which it was", () => {
    expect(look({ waiting: 1, oldestMs: 10_001 }).step).toMatchObject({
      shards: 3,
      reason: expect.stringContaining("10001 ms"),
    });
    expect(look({ waiting: 201 }).step?.reason).toContain("201 tasks wait");
    expect(look({ waiting: 200, oldestMs: 10_000 }).step).toBeNull();
  });

  it("not before the last change can have worked", () => {
    const soon = { changedAt: NOW - UP_EVERY_MS + 1 };
    expect(look({ waiting: 5_000 }, soon).step).toBeNull();
    expect(look({ waiting: 5_000 }, soon, NOW + 1).step).toMatchObject({ shards: 4 });
  });
});

describe("259 down", () => {
  it("by one, when it was low for long enough without a break", () => {
    const first = look({ waiting: 10 });
    expect(first).toEqual({ step: null, lowSince: NOW });
    expect(look({ waiting: 10 }, first, NOW + LOW_FOR_MS - 1).step).toBeNull();
    expect(look({ waiting: 60 }, first, NOW + 1_000)).toEqual({ step: null, lowSince: null });
    expect(look({ waiting: 10 }, first, NOW + LOW_FOR_MS)).toMatchObject({
      step: { shards: 1 },
      lowSince: NOW + LOW_FOR_MS,
    });
  });

  it("never below the rule, and not while the oldest waits for long", () => {
    expect(look({ shards: 1 }, { lowSince: 0 })).toEqual({ step: null, lowSince: 0 });
    expect(look({ waiting: 1, oldestMs: 5_001 }, { lowSince: 0 })).toEqual({ step: null, lowSince: null });
  });

  it("not before the last change is long past", () => {
    const state = { lowSince: 0, changedAt: NOW - DOWN_EVERY_MS + 1 };
    expect(look({}, state).step).toBeNull();
    expect(look({}, state, NOW + 1).step).toMatchObject({ shards: 1 });
  });
});

it("259 a load that stands still ends in a number of shards that stays: no step up is followed by one down", () => {
  for (let waiting = 0; waiting <= 1_200; waiting += 7) {
    let shards = 1;
    let state: ScaleState = FRESH;
    const steps: number[] = [];
    for (let now = NOW; now < NOW + 3_600_000; now += 15_000) {
      const { step, lowSince } = scale(RULE, { shards, waiting, oldestMs: 0 }, state, now);
      state = { changedAt: step ? now : state.changedAt, lowSince };
      if (!step) continue;
      steps.push(step.shards - shards);
      shards = step.shards;
    }
    expect({ waiting, down: steps.filter((change) => change < 0) }).toEqual({ waiting, down: [] });
    expect(shards).toBe(Math.min(8, Math.max(1, Math.ceil(waiting / 100))));
  }
});

it("259 a clock that stepped back an hour holds nothing up", () => {
  expect(look({ waiting: 5_000 }, { changedAt: NOW + 3_600_000 }).step).toMatchObject({ shards: 4 });
  expect(look({}, { lowSince: NOW + 3_600_000 }).lowSince).toBe(NOW);
});
