import { describe, expect, it } from "vitest";
import { Bound, checkEnv } from "../../core/schema/env.ts";

const complete = {
  QUEUE_SHARD: new Bound("durable-object"),
  DIRECTORY: new Bound("durable-object"),
  LIVE_FEED: new Bound("durable-object"),
  WORKFLOW_RUN: new Bound("durable-object"),
  HISTORY_0: new Bound("d1"),
  TICKETS_0: new Bound("queue"),
  TICKETS_1: new Bound("queue"),
  TICKETS_2: new Bound("queue"),
  TICKETS_3: new Bound("queue"),
  TICKETS_SOLO: new Bound("queue"),
  DEAD_LETTERS: new Bound("queue"),
};

describe("checkEnv", () => {
  it("has defaults and no fault where all is bound", () => {
    expect(checkEnv(complete)).toEqual({
      logLevel: "info",
      bodyLimit: 8_388_608,
      cpuMs: 30_000,
      detach: false,
      drainMs: 10_000,
      faults: [],
    });
  });

  it("reads vars as the runtime gives them: text or number", () => {
    const told = {
      ...complete,
      LOG_LEVEL: "warn",
      BODY_LIMIT: "65536",
      CPU_MS: 20_000,
      DETACH: "1",
      DRAIN_SECONDS: 2,
      SOMETHING_ELSE: 1,
    };
    expect(checkEnv(told)).toEqual({
      logLevel: "warn",
      bodyLimit: 65_536,
      cpuMs: 20_000,
      detach: true,
      drainMs: 2_000,
      faults: [],
    });
  });

  it("C6 194 a missing or wrong binding is fatal and comes with its remedy", () => {
    const { DIRECTORY: _, ...rest } = complete;
    const { faults } = checkEnv({ ...rest, TICKETS_2: new Bound("d1"), HISTORY_0: "postgres://x" });
    expect(faults.map(({ name, fatal }) => [name, fatal])).toEqual(
      expect.arrayContaining([
        ["DIRECTORY", true],
        ["TICKETS_2", true],
        ["HISTORY_0", true],
      ]),
    );
    expect(faults).toHaveLength(3);
    expect(faults.find((fault) => fault.name === "DIRECTORY")?.remedy).toContain("[[durable_objects.bindings]]");
  });

  it.each([
    ["LOG_LEVEL", "loud", { logLevel: "info" }],
    ["BODY_LIMIT", "8MB", { bodyLimit: 8_388_608 }],
    ["BODY_LIMIT", "999999999", { bodyLimit: 8_388_608 }],
    ["CPU_MS", "5 minutes", { cpuMs: 30_000 }],
    ["CPU_MS", 300_001, { cpuMs: 30_000 }],
    ["DRAIN_SECONDS", "-1", { drainMs: 10_000 }],
    ["DETACH", "yes", { detach: false }],
  ])("C6 194 a wrong %s (%s) warns once, and its default stands", (name, value, expected) => {
    const checked = checkEnv({ ...complete, [name]: value });
    expect(checked).toMatchObject(expected);
    expect(checked.faults).toMatchObject([{ name, fatal: false }]);
    expect(checked.faults[0]?.remedy).toContain(name);
  });

  it("C6 194 a CPU_MS that the default lease does not outlast warns, and stands", () => {
    expect(checkEnv({ ...complete, CPU_MS: 34_999 })).toMatchObject({ cpuMs: 34_999, faults: [] });
    const { cpuMs, faults } = checkEnv({ ...complete, CPU_MS: 35_000 });
    expect(cpuMs).toBe(35_000);
    expect(faults).toMatchObject([{ name: "CPU_MS", fatal: false, remedy: "Give each queue a leaseMs above 45000." }]);
  });
});
