/** Two tasks field by field. */
import { describe, expect, it } from "vitest";
import { comparable, compareObjects, MAX_DIFFERENCES, MAX_SHOWN, timingsOf } from "../../core/compare.ts";
import type { QueueName, Seq } from "../../core/ids.ts";
import { NO_PAYLOAD, type TaskRecord } from "../../core/task.ts";

const AT = Date.UTC(2026, 0, 1);
const record: TaskRecord = {
  seq: 4096 as Seq,
  rev: 3,
  status: "SUCCEEDED",
  type: "echo",
  version: 1,
  priority: 5,
  payload: '{"a":1,"b":[1,2]}',
  tags: [],
  createdAt: AT,
  runAt: null,
  endedAt: AT + 500,
  attempts: [{ attempt: 1, startedAt: AT + 100, endedAt: AT + 400, worker: "w", outcome: "succeeded", error: null }],
  attemptsDropped: 0,
  crashes: 0,
  moves: [],
  result: "1",
  resultExpiresAt: AT + 10_000,
  error: null,
  progress: null,
};
const view = (more: Partial<TaskRecord>, now = AT) => comparable("q" as QueueName, 0, { ...record, ...more }, now);

describe("282 what differs", () => {
  it("is named by its pointer, with both values, and one side alone where the other has nothing", () => {
    const a = { type: "echo", payload: { n: 1, list: [1, 2], "a/b~": 1, same: { x: null } } };
    const b = { type: "echo", payload: { same: { x: null }, n: "1", list: [1, 3, 4], "a/b~": 2, more: null } };
    expect(compareObjects(a, b)).toEqual({
      different: 5,
      differences: [
        { field: "/payload/n", a: 1, b: "1" },
        { field: "/payload/list/1", a: 2, b: 3 },
        { field: "/payload/list/2", b: 4 },
        { field: "/payload/a~1b~0", a: 1, b: 2 },
        { field: "/payload/more", b: null },
      ],
      same: ["type"],
    });
  });

  it("goes by value: neither the order of fields nor how a text was written counts", () => {
    const text = ' {"b" : [1, 2.0], "a":1e0} ';
    expect(compareObjects(view({}), view({ payload: text })).different).toBe(0);
  });

  it("is an object and a list, an empty object and nothing, null and nothing", () => {
    expect(compareObjects({ a: {}, b: {}, c: null }, { a: [], c: undefined }).differences).toMatchObject([
      { field: "/a", a: {}, b: [] },
      { field: "/b", a: {} },
      { field: "/c", a: null },
    ]);
  });

  it("is listed up to a bound and counted beyond it, and a long value is cut", () => {
    const list = Array.from({ length: MAX_DIFFERENCES + 50 }, (_, i) => i);
    const { different, differences } = compareObjects({ list }, { list: list.map((n) => n + 1) });
    expect([different, differences.length]).toEqual([MAX_DIFFERENCES + 50, MAX_DIFFERENCES]);
    const long = compareObjects({ text: "x".repeat(100_000) }, { text: [1] }).differences[0];
    expect(long).toMatchObject({ field: "/text", b: [1], cut: ["a"] });
    expect(String(long?.a)).toHaveLength(MAX_SHOWN);
  });
});

describe("282 a task, as it is compared", () => {
  it("has its timings: the wait ends with the first attempt and begins when it was to run", () => {
    expect(timingsOf(record)).toEqual({ waitMs: 100, runMs: 300, totalMs: 500, attempts: 1 });
    expect(timingsOf({ ...record, runAt: AT + 60 })).toMatchObject({ waitMs: 40 });
    expect(timingsOf({ ...record, runAt: AT + 250 })).toMatchObject({ waitMs: 100 });
    expect(timingsOf({ ...record, attempts: [], endedAt: null })).toEqual({
      waitMs: null,
      runMs: 0,
      totalMs: null,
      attempts: 0,
    });
  });

  it("shows payload, result and error as far as they are kept, and no stack", () => {
    expect(view({})).toMatchObject({ payload: { a: 1 }, result: 1 });
    expect(view({ payload: NO_PAYLOAD, result: null })).not.toHaveProperty("payload");
    expect(view({}, AT + 10_000)).not.toHaveProperty("result");
    const error = { code: "timeout", message: "too slow", class: "Timeout", stack: "at line 1" } as const;
    const failed = view({ status: "FAILED", result: null, error });
    expect(failed).toMatchObject({ error: { code: "timeout", message: "too slow" } });
    expect(JSON.stringify(failed)).not.toContain("line 1");
    expect(compareObjects(view({}), { ...failed, attempts: [] }).differences).toMatchObject([
      { field: "/status", a: "SUCCEEDED", b: "FAILED" },
      { field: "/result", a: 1 },
      { field: "/error", b: { code: "timeout" } },
      { field: "/attempts/0", a: { attempt: 1 } },
    ]);
  });
});
