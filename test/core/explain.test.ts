/** From facts to reasons and the earliest start. */
import { describe, expect, it } from "vitest";
import { explainWaiting } from "../../core/explain.ts";
import type { WaitingFacts } from "../../core/explain-facts.ts";
import type { QueueName } from "../../core/ids.ts";
import type { Standing } from "../../core/limits.ts";
import { iso } from "../../core/task.ts";

const NOW = Date.UTC(2026, 0, 1);
const NONE = { queue: null, type: null, key: null };
const FACTS: WaitingFacts = {
  now: NOW,
  queue: "q" as QueueName,
  task: {
    status: "QUEUED",
    type: "echo",
    version: 1,
    limitKey: "a",
    mode: "normal",
    runAt: null,
    expiresAt: null,
    spent: 0,
    crashes: 0,
    error: null,
  },
  isPaused: false,
  isStopping: false,
  knownVersion: 1,
  concurrency: { running: 0, limit: null },
  standings: NONE,
  isSoloBusy: false,
  workers: { sessions: 1, maxSessions: 4, slots: 6, free: 6, tickets: 0, calledAt: null, unheeded: 0 },
  ahead: null,
};
const ahead = (count: number, more: Partial<WaitingFacts["ahead"]> = {}): WaitingFacts["ahead"] => {
  const none = { more: false, moreUrgent: 0, raised: 0, older: count, byTurn: 0, ofType: count, ofKey: count };
  const sure = { all: count, ofType: count, ofKey: count };
  return { count, ...none, sure, among: "queue", ...more };
};
/** A token each `periodMs`, so many ready. */
function rated(tokens: number, periodMs: number): Standing {
  const tokenAt = (first: number) => NOW + Math.max(0, first + 1 - tokens) * periodMs;
  return { running: 0, concurrency: null, rate: { limit: 1, periodMs, burst: 1 }, tokens, tokenAt };
}
const codesOf = (facts: Partial<WaitingFacts>) =>
  explainWaiting({ ...FACTS, ...facts }).reasons.map(({ code }) => code);

describe("276 the earliest start", () => {
  it("is now where nothing holds it, whatever goes first into slots that are there", () => {
    expect(explainWaiting(FACTS)).toMatchObject({ earliestStart: "now", decidedBy: null, reasons: [] });
    expect(explainWaiting({ ...FACTS, ahead: ahead(23) })).toMatchObject({ earliestStart: "now" });
    expect(explainWaiting({ ...FACTS, ahead: ahead(24) })).toMatchObject({ earliestStart: null, decidedBy: "ahead" });
  });

  it("is the latest of the times that are known", () => {
    const standings = { queue: rated(0, 1_000), type: rated(0, 9_000), key: rated(0, 5_000) };
    expect(explainWaiting({ ...FACTS, standings })).toMatchObject({
      earliestStart: iso(NOW + 9_000),
      decidedBy: "type-rate",
    });
    expect(codesOf({ standings })).toEqual(["queue-rate", "type-rate", "key-rate"]);
    const two = explainWaiting({ ...FACTS, standings: { ...NONE, key: rated(1, 5_000) }, ahead: ahead(2) });
    expect(two).toMatchObject({ earliestStart: iso(NOW + 10_000), reasons: [{ ownTokenAt: iso(NOW + 10_000) }, {}] });
    expect(two.reasons[0]?.detail).toBe(
      "The limitKey a may start 1 in 5000 ms; after the 2 that go first, the next token comes at 2026-01-01T00:00:10.000Z.",
    );
  });

  it("is not known where those before it may take the tokens that lie ready, and need not", () => {
    const unsure = ahead(3, { sure: { all: 0, ofType: 0, ofKey: 0 } });
    expect(explainWaiting({ ...FACTS, standings: { ...NONE, queue: rated(2, 1_000) }, ahead: unsure })).toMatchObject({
      earliestStart: null,
      decidedBy: "queue-rate",
    });
  });

  it("counts the free slots of more workers than there may be now", () => {
    const workers = { ...FACTS.workers, sessions: 9, maxSessions: 4, free: 2 };
    expect(explainWaiting({ ...FACTS, workers, ahead: ahead(1) })).toMatchObject({ earliestStart: "now" });
    expect(explainWaiting({ ...FACTS, workers, ahead: ahead(2) })).toMatchObject({ decidedBy: "ahead" });
    expect(codesOf({ workers: { ...workers, free: 0 } })).toEqual(["no-free-slot"]);
  });

  it("is not known where anything has no time, and not where it expires before", () => {
    const standings = { ...NONE, key: rated(0, 5_000) };
    expect(explainWaiting({ ...FACTS, standings, concurrency: { running: 2, limit: 2 } })).toMatchObject({
      earliestStart: null,
      decidedBy: "queue-concurrency",
    });
    const task = { ...FACTS.task, expiresAt: NOW + 5_000 };
    expect(explainWaiting({ ...FACTS, task, standings })).toMatchObject({ earliestStart: null, decidedBy: "expires" });
    expect(explainWaiting({ ...FACTS, task: { ...task, expiresAt: NOW + 5_001 }, standings })).toMatchObject({
      earliestStart: iso(NOW + 5_000),
      decidedBy: "key-rate",
    });
  });
});

describe("276 a limit holds a task back", () => {
  it("once those that run and those that go first fill it, not before", () => {
    const key = (running: number): Standing => ({ ...rated(9, 1), rate: null, running, concurrency: 3 });
    const told = (running: number, first: number) =>
      codesOf({ standings: { ...NONE, key: key(running) }, ahead: ahead(first) });
    expect(told(2, 0)).toEqual([]);
    expect(told(3, 0)).toEqual(["key-concurrency"]);
    expect(told(1, 1)).toEqual(["ahead"]);
    expect(told(1, 2)).toEqual(["key-concurrency", "ahead"]);
    expect(codesOf({ standings: { ...NONE, key: key(1) }, ahead: ahead(2, { ofKey: 1 }) })).toEqual(["ahead"]);
  });

  it("of others only where it is due, and of workers only where one knows it", () => {
    const full = { concurrency: { running: 1, limit: 1 }, workers: { ...FACTS.workers, sessions: 4, free: 0 } };
    expect(codesOf(full)).toEqual(["queue-concurrency", "no-free-slot"]);
    expect(codesOf({ ...full, knownVersion: 0 })).toEqual(["no-worker", "queue-concurrency"]);
    const task = { ...FACTS.task, status: "SCHEDULED", runAt: NOW + 1 } as const;
    expect(codesOf({ ...full, task })).toEqual(["scheduled"]);
  });
});
