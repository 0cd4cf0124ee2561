/** The small rules: pauses, crashes, tickets, the alarm, and the table of moves. */
import { describe, expect, it } from "vitest";
import { deadlineOf, judgeCrash } from "../../core/lease.ts";
import { canMove, isFinal, MOVES } from "../../core/moves.ts";
import { nextAlarm } from "../../core/next-alarm.ts";
import { DEFAULT_RETRY, mergeRetry, retryDelay } from "../../core/retry.ts";
import { FINISHED, STATUSES, UNFINISHED } from "../../core/status.ts";
import { type Demand, MAX_QUICK_SESSIONS, ticketPatience, ticketsWanted } from "../../core/tickets.ts";
import { SHARD_MIGRATIONS } from "../../durable-objects/queue-shard/migrations.ts";

describe("141 the pause after a failure", () => {
  const pauses = (patch: object, random = 0) =>
    [1, 2, 3, 4, 30, 1_000].map((n) => retryDelay({ ...DEFAULT_RETRY, ...patch }, n, random));

  it("doubles from 1 s to an hour", () => {
    expect(pauses({})).toEqual([1_000, 2_000, 4_000, 8_000, 3_600_000, 3_600_000]);
  });
  it("is baseMs each time where it is fixed, capped too", () => {
    expect(pauses({ backoff: "fixed", baseMs: 50 })).toEqual(Array(6).fill(50));
    expect(pauses({ backoff: "fixed", baseMs: 500, capMs: 100 })).toEqual(Array(6).fill(100));
  });
  it("is a whole number from 0 to just below the delay with full jitter", () => {
    expect(pauses({ jitter: "full" }, 0)).toEqual(Array(6).fill(0));
    expect(pauses({ jitter: "full" }, 0.9999).slice(0, 3)).toEqual([999, 1_999, 3_999]);
  });
  it("108 is told by the task before its type before its queue, field by field", () => {
    const merged = mergeRetry({ maxAttempts: 2 }, { maxAttempts: 9, baseMs: 7 }, { baseMs: 8, capMs: 99 });
    expect(merged).toEqual({ ...DEFAULT_RETRY, maxAttempts: 2, baseMs: 7, capMs: 99 });
    expect(mergeRetry(undefined, null)).toEqual(DEFAULT_RETRY);
  });
});

describe("what a crash means", () => {
  const again = { maxCrashes: 6, onCrash: "retry" } as const;

  it("149 the first in company nothing, the second that it runs alone", () => {
    expect(judgeCrash({ crashes: 0, soloCrashes: 0 }, false, again)).toMatchObject({ kind: "again", mode: "normal" });
    expect(judgeCrash({ crashes: 1, soloCrashes: 0 }, false, again)).toMatchObject({ kind: "again", mode: "solo" });
  });
  it("150 two alone nothing more, the third that it is poison; company never condemns", () => {
    expect(judgeCrash({ crashes: 3, soloCrashes: 1 }, true, again)).toMatchObject({ kind: "again", mode: "solo" });
    expect(judgeCrash({ crashes: 4, soloCrashes: 2 }, true, again)).toMatchObject({ kind: "end", code: "poisoned" });
    const many = { maxCrashes: 100, onCrash: "retry" } as const;
    expect(judgeCrash({ crashes: 98, soloCrashes: 2 }, false, many)).toMatchObject({ kind: "again" });
  });
  it("148 maxCrashes of any kind end it, and the first where it is to run at most once", () => {
    expect(judgeCrash({ crashes: 5, soloCrashes: 0 }, false, again)).toMatchObject({ kind: "end", code: "crashed" });
    const once = { maxCrashes: 6, onCrash: "fail" } as const;
    expect(judgeCrash({ crashes: 0, soloCrashes: 0 }, false, once)).toMatchObject({ kind: "end", code: "crashed" });
  });
  it("138 a claim has a deadline from when it began, 5 s after its time; none before", () => {
    expect(deadlineOf({ startedAt: 1_000, timeoutMs: 200, cancelAt: null })).toBe(6_200);
    expect(deadlineOf({ startedAt: null, timeoutMs: 200, cancelAt: null })).toBeNull();
  });
  it("217 a cancelled one 10 s from when that was asked for, begun or not", () => {
    expect(deadlineOf({ startedAt: 1_000, timeoutMs: 200, cancelAt: 1_100 })).toBe(11_100);
    expect(deadlineOf({ startedAt: null, timeoutMs: 200, cancelAt: 1_100 })).toBe(11_100);
  });
});

describe("125 the tickets that a shard wants", () => {
  const demand: Demand = {
    ready: 100,
    freeSlots: 0,
    concurrencyLeft: Number.POSITIVE_INFINITY,
    slots: 6,
    maxSessions: 32,
    openSessions: 0,
    quickSessions: 0,
    unredeemed: 0,
  };
  const wanted = (patch: Partial<Demand>) => ticketsWanted({ ...demand, ...patch }).now;

  it("are one a session that the tasks need, less what is free, open or on its way", () => {
    expect(wanted({ ready: 7 })).toBe(2);
    expect(wanted({ ready: 7, freeSlots: 1 })).toBe(1);
    expect(wanted({ ready: 7, freeSlots: 9 })).toBe(0);
    expect(wanted({ ready: 7, unredeemed: 1 })).toBe(1);
    expect(wanted({ ready: 7, concurrencyLeft: 3 })).toBe(1);
    expect(wanted({ concurrencyLeft: 0 })).toBe(0);
    expect(wanted({ maxSessions: 3, openSessions: 2 })).toBe(1);
    expect(wanted({ maxSessions: 2, openSessions: 5 })).toBe(0);
  });
  it("are no more than keep a shard busy with quick tasks, and it is said that more are to follow", () => {
    expect(ticketsWanted(demand)).toEqual({ now: MAX_QUICK_SESSIONS, more: true });
    expect(ticketsWanted({ ...demand, quickSessions: 3 })).toEqual({ now: 1, more: true });
    expect(ticketsWanted({ ...demand, quickSessions: 9 })).toEqual({ now: 0, more: true });
    expect(ticketsWanted({ ...demand, ready: 12 })).toEqual({ now: 2, more: false });
  });
  it("124 are waited for 2, 4, 8 … 300 s", () => {
    expect([0, 1, 2, 7, 8, 10_000].map(ticketPatience)).toEqual([2_000, 4_000, 8_000, 256_000, 300_000, 300_000]);
  });
});

describe("135 the one alarm", () => {
  const never = {
    nextDue: null,
    nextExpiry: null,
    nextDeadline: null,
    nextLeaseEnd: null,
    nextTicket: null,
    nextToken: null,
    historyFlush: null,
    noticeFlush: null,
    deliveries: null,
    retention: null,
  };
  it("is the earliest of its reasons, whichever that is; never in the past; none without a reason", () => {
    expect(nextAlarm(never, 10)).toBeNull();
    for (const reason of Object.keys(never)) {
      const others = Object.fromEntries(Object.keys(never).map((name) => [name, 90]));
      expect(nextAlarm({ ...never, ...others, [reason]: 50 }, 10)).toBe(50);
      expect(nextAlarm({ ...never, [reason]: 5 }, 10)).toBe(10);
    }
  });
});

describe("the table of moves", () => {
  it("leads from each unfinished status to an end, and from no finished one anywhere", () => {
    for (const status of FINISHED) {
      expect(isFinal(status)).toBe(true);
      for (const to of STATUSES) expect(canMove(status, to)).toBe(false);
    }
    for (const from of UNFINISHED) {
      const reached = new Set<string>([from]);
      for (const status of reached) for (const move of MOVES) if (move.from === status) reached.add(move.to);
      expect(FINISHED.some((status) => reached.has(status))).toBe(true);
      expect(canMove("NEW", from) || MOVES.some(({ to }) => to === from)).toBe(true);
    }
  });
  it("names an event once for each status that it can come in", () => {
    const events = MOVES.map(({ from, event }) => `${from} ${event}`);
    expect(new Set(events).size).toBe(events.length);
  });
  it("has the statuses that the shard's tables may hold: all unfinished ones, and the dead letters", () => {
    const [core] = SHARD_MIGRATIONS;
    const table = core?.statements.find((statement) => statement.startsWith("CREATE TABLE task ")) ?? "";
    const held = /status IN \(([^)]*)\)/.exec(table)?.[1]?.match(/[A-Z]+/g) ?? [];
    expect([...held].sort()).toEqual([...UNFINISHED, "FAILED"].sort());
  });
});
