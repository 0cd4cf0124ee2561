import { describe, expect, it } from "vitest";
import { z } from "zod";
import { explainIssues } from "../../core/explain-issues.ts";
import { makeDefinition, makeDefinitionPatch, toScheduleView } from "../../core/make-schedule.ts";
import { declaredType, handledType } from "../../core/make-task.ts";
import { ScheduleCreateSchema, SchedulePatchSchema, SchedulePutSchema } from "../../core/schema/schedule.ts";
import type { ScheduleRecord } from "../../core/schema/schedule-rpc.ts";

const base = { type: "echo", payload: { n: 1 } };
const type = declaredType("echo");

function faults(schema: z.ZodType, body: unknown): string[] {
  const parsed = schema.safeParse(body);
  return parsed.success ? [] : explainIssues(parsed.error.issues).map((issue) => issue.pointer);
}

const record: ScheduleRecord = {
  id: "a",
  ...makeDefinition(SchedulePutSchema.parse({ ...base, cron: "0 9 * * *", timezone: "Europe/Vienna" }), {
    type,
    payload: '{"n":1}',
  }),
  paused: false,
  nextAt: Date.UTC(2026, 4, 2, 7),
  lastFireAt: null,
  lastTaskId: null,
  lastStatus: null,
  failuresInRow: 0,
  stopped: null,
  fires: 0,
  missedCount: 0,
  skippedCount: 0,
  createdAt: Date.UTC(2026, 4, 1),
  updatedAt: Date.UTC(2026, 4, 1),
};

describe("169 a schedule as it is sent", () => {
  it.each([
    { ...base, cron: "*/5 * * * *" },
    { ...base, cron: "0 0 9 * * MON", timezone: "America/New_York", missed: "all" },
    { ...base, everySeconds: 10, startAt: "2026-05-01T00:00:00Z", endAt: "2026-05-02T00:00:00+02:00" },
    { ...base, at: "2026-12-24T18:00:00+01:00", priority: "high", queue: "q", tags: ["x"], retry: { maxAttempts: 2 } },
    { ...base, everySeconds: 1, payload: null, paused: true },
  ])("is taken: %j", (body) => {
    expect(faults(SchedulePutSchema, body)).toEqual([]);
    expect(faults(ScheduleCreateSchema, { ...body, id: "a.b-c_1" })).toEqual([]);
  });

  it.each([
    ["", { ...base }],
    ["/payload", { type: "echo", everySeconds: 1 }],
    ["/everySeconds", { ...base, everySeconds: 0.5 }],
    ["/everySeconds", { ...base, cron: "* * * * *", everySeconds: 5 }],
    ["/at", { ...base, everySeconds: 5, at: "2026-12-24T18:00:00Z" }],
    ["/at", { ...base, at: "tomorrow" }],
    ["/cron", { ...base, cron: "61 * * * *" }],
    ["/timezone", { ...base, cron: "* * * * *", timezone: "Mars/Olympus" }],
    ["/timezone", { ...base, everySeconds: 5, timezone: "UTC" }],
    ["/startAt", { ...base, at: "2026-12-24T18:00:00Z", startAt: "2026-12-24T17:00:00Z" }],
    ["/endAt", { ...base, everySeconds: 5, startAt: "2026-12-24T17:00:00Z", endAt: "2026-12-24T18:00:00+01:00" }],
    ["/missed", { ...base, everySeconds: 5, missed: "some" }],
    ["/priority", { ...base, everySeconds: 5, priority: "urgent" }],
  ])("is refused at %j: %j", (pointer, body) => {
    expect(faults(SchedulePutSchema, body)).toContain(pointer);
    expect(faults(ScheduleCreateSchema, body)).toContain(pointer);
  });

  it("unknown fields are refused, ids have no colon and are not dots alone, which clients take out of a path", () => {
    expect(faults(SchedulePutSchema, { ...base, everySeconds: 5, id: "a" })).not.toEqual([]);
    for (const id of ["a:b", ".", "..", "..."])
      expect(faults(ScheduleCreateSchema, { ...base, everySeconds: 5, id }), id).toEqual(["/id"]);
    for (const id of [".a", "a.", "-", "_."])
      expect(faults(ScheduleCreateSchema, { ...base, everySeconds: 5, id }), id).toEqual([]);
    expect(faults(SchedulePatchSchema, { interval: 5 })).not.toEqual([]);
  });

  it("becomes what the Directory keeps", () => {
    const told = handledType({ type: "echo", version: 3, payload: z.unknown(), timeoutMs: 900 });
    const body = { ...base, at: "2026-12-24T18:00:00+01:00", priority: "critical", maxCrashes: 2 } as const;
    expect(makeDefinition(SchedulePutSchema.parse(body), { type: told, payload: '{"n":1}' })).toEqual({
      type: "echo",
      version: 3,
      payload: '{"n":1}',
      options: '{"timeoutMs":900,"maxCrashes":2}',
      priority: 9,
      limitKey: null,
      fairnessKey: null,
      ttlMs: null,
      queue: null,
      timing: { kind: "at", at: Date.UTC(2026, 11, 24, 17) },
      missed: "once",
      overlap: "allow",
      jitterSeconds: null,
      disableAfter: null,
      startAt: null,
      endAt: null,
    });
  });

  it("is shown as it was sent", () => {
    expect(toScheduleView({ ...record, options: '{"tags":["x"],"timeoutMs":7}' })).toMatchObject({
      id: "a",
      payload: { n: 1 },
      cron: "0 9 * * *",
      cronText: "At 09:00",
      timezone: "Europe/Vienna",
      tags: ["x"],
      timeoutMs: 7,
      nextAt: "2026-05-02T07:00:00.000Z",
      lastFireAt: null,
      startAt: null,
    });
    expect(toScheduleView({ ...record, timing: { kind: "every", everySeconds: 5 } })).not.toHaveProperty("cron");
  });
});

describe("169 a PATCH of a schedule", () => {
  const patch = (body: object, current = record) =>
    makeDefinitionPatch(SchedulePatchSchema.parse(body), current, { type, payload: current.payload });

  it("names what it changes and nothing else", () => {
    expect(patch({})).toEqual({});
    expect(patch({ paused: true })).toEqual({});
    expect(patch({ priority: "low", missed: "skip" })).toEqual({ priority: 2, missed: "skip" });
    expect(patch({ queue: null, endAt: null })).toEqual({ queue: null, endAt: null });
  });

  it("a zone alone goes to the expression that is there, an expression alone to its zone", () => {
    expect(patch({ timezone: "UTC" })).toEqual({ timing: { kind: "cron", cron: "0 9 * * *", timezone: "UTC" } });
    expect(patch({ cron: "0 8 * * *" })).toEqual({
      timing: { kind: "cron", cron: "0 8 * * *", timezone: "Europe/Vienna" },
    });
    expect(patch({ timezone: "UTC" }, { ...record, timing: { kind: "every", everySeconds: 5 } })).toEqual({});
  });

  it("a moment takes the bounds away that cannot stand beside it", () => {
    expect(patch({ at: "2026-12-24T18:00:00Z" }, { ...record, startAt: 5 })).toEqual({
      timing: { kind: "at", at: Date.UTC(2026, 11, 24, 18) },
      startAt: null,
      endAt: null,
    });
  });

  it("options that it does not name stay; no tags is a way to say none", () => {
    const current = { ...record, options: '{"timeoutMs":7,"tags":["x"]}' };
    expect(patch({ maxCrashes: 2 }, current)).toEqual({ options: '{"timeoutMs":7,"maxCrashes":2,"tags":["x"]}' });
    expect(patch({ tags: [] }, current)).toEqual({ options: '{"timeoutMs":7}' });
  });

  it("a payload comes with the type's version of today", () => {
    const later = handledType({ type: "echo", version: 4, payload: z.unknown() });
    const body = SchedulePatchSchema.parse({ payload: { n: 2 } });
    expect(makeDefinitionPatch(body, record, { type: later, payload: '{"n":2}' })).toEqual({
      payload: '{"n":2}',
      version: 4,
    });
  });

  it.each([
    ["/at", { cron: "* * * * *", at: "2026-12-24T18:00:00Z" }],
    ["/cron", { cron: "x" }],
    ["/endAt", { startAt: "2026-12-24T17:00:00Z", endAt: "2026-12-24T16:00:00Z" }],
  ])("is refused at %j: %j", (pointer, body) => {
    expect(faults(SchedulePatchSchema, body)).toContain(pointer);
  });
});
