import { describe, expect, onTestFinished, test, vi } from "vitest";
import { z } from "zod";
import { composeRegistry, workerTypes } from "../../consumers/handlers/compose.ts";
import { defineHandler } from "../../consumers/handlers/define.ts";
import { echo } from "../../consumers/handlers/echo.ts";
import { factorial } from "../../consumers/handlers/factorial.ts";
import { fail } from "../../consumers/handlers/fail.ts";
import { HANDLERS, REGISTRY } from "../../consumers/handlers/registry.ts";
import { sleep } from "../../consumers/handlers/sleep.ts";
import { failureOf, resultOf, taskBench } from "../support/node/task-bench.ts";

describe("registry", () => {
  const handler = (type: string, more = {}) =>
    defineHandler({ type, version: 1, payload: z.unknown(), run: () => null, ...more });

  test("has each handler under its type, and says which types a worker runs", () => {
    expect([...REGISTRY.keys()].sort()).toEqual([
      "compound-interest",
      "echo",
      "factorial",
      "fail",
      "http-fetch",
      "sleep",
    ]);
    expect(workerTypes(REGISTRY)).toMatchObject({ echo: 1, "http-fetch": 1 });
  });

  test("refuses two handlers of one type, and what is out of bounds", () => {
    expect(() => composeRegistry([...HANDLERS, handler("echo")])).toThrow("two handlers for the task type echo");
    for (const wrong of [
      handler("with space"),
      handler(""),
      handler("t", { version: 0 }),
      handler("t", { timeoutMs: 600_001 }),
      handler("t", { timeoutMs: 0 }),
    ])
      expect(() => composeRegistry([wrong])).toThrow();
  });

  test("C2 ninety types stand in one registry", () => {
    const many = Array.from({ length: 90 }, (_, i) => handler(`type.${i}`));
    expect(Object.keys(workerTypes(composeRegistry(many)))).toHaveLength(90);
  });

  test("184 each payload schema can be shown as JSON Schema", () => {
    for (const { type, payload } of HANDLERS)
      expect(z.toJSONSchema(payload, { io: "input" }), type).toHaveProperty("$schema");
  });
});

describe("B2 factorial", () => {
  test.each([
    [0, "1"],
    [1, "1"],
    [2, "2"],
    [5, "120"],
    [20, "2432902008176640000"],
    [25, "15511210043330985984000000"],
  ])("%s! is %s", async (n, digits) => {
    expect(JSON.parse(resultOf(await taskBench(factorial).run({ n })))).toBe(digits);
  });

  test("agrees with one multiplication after the other around the edges of its tree, up to 20000", async () => {
    let product = 1n;
    const edges = new Set([31, 32, 33, 34, 64, 65, 4_096, 4_097, 4_098, 5_001, 20_000]);
    for (let n = 1; n <= 20_000; n++) {
      product *= BigInt(n);
      if (edges.has(n))
        expect(JSON.parse(resultOf(await taskBench(factorial).run({ n }))) === String(product), `${n}!`).toBe(true);
    }
  });

  test("20000! lets others run meanwhile, and obeys its signal", async () => {
    const bench = taskBench(factorial);
    const task = bench.start({ n: 20_000 });
    let turns = 0;
    let ended = false;
    void task.outcome.then(() => {
      ended = true;
    });
    while (!ended) {
      await new Promise((resolve) => setImmediate(resolve));
      turns++;
    }
    expect(turns).toBeGreaterThan(5);
    const stopped = bench.start({ n: 20_000 });
    stopped.stop("cancelled");
    expect(await stopped.outcome).toMatchObject({ kind: "cancelled" });
  });

  test.each([[-1], [20_001], [1.5], ["5"], [null]])("n: %o is refused", (n) => {
    expect(factorial.payload.safeParse({ n }).success).toBe(false);
  });
});

describe("echo, sleep, fail", () => {
  test("echo answers what it was given", async () => {
    for (const value of [{ a: [1, "é", null] }, "x", 7, null])
      expect(JSON.parse(resultOf(await taskBench(echo).run(value)))).toEqual(value);
  });

  test("sleep answers how long it slept, and ends early when it is told to", async () => {
    expect(resultOf(await taskBench(sleep).run({ ms: 1 }))).toBe('{"ms":1}');
    const bench = taskBench(sleep);
    const task = bench.start({ ms: 600_000 });
    task.stop("cancelled");
    expect(await task.outcome).toMatchObject({ kind: "cancelled", error: { class: "AbortError" } });
    expect(sleep.payload.safeParse({ ms: 600_001 }).success).toBe(false);
  });

  test("140 sleep tells each tenth of its time, unless it is over within a second", async () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const told = async (ms: number) => {
      const bench = taskBench(sleep);
      const outcome = bench.run({ ms });
      await vi.advanceTimersByTimeAsync(ms);
      expect(resultOf(await outcome)).toBe(JSON.stringify({ ms }));
      expect(vi.getTimerCount()).toBe(0);
      return bench.progress.map(([, text]) => JSON.parse(text));
    };
    expect(await told(999)).toEqual([]);
    const tenths = await told(5_000);
    expect(tenths.slice(0, 9).map(({ percent }) => percent)).toEqual([10, 20, 30, 40, 50, 60, 70, 80, 90]);
    expect(tenths[2]).toEqual({ percent: 30, message: "slept 1500 of 5000 ms" });
  });

  test("fail fails its first attempts, then says at which it did not", async () => {
    const bench = taskBench(fail);
    for (const attempt of [1, 2]) {
      const failure = failureOf(await bench.run({ times: 2, message: "not yet" }, { attempt }));
      expect(failure).toMatchObject({ code: "handler-error", message: "not yet", retryable: true });
    }
    expect(resultOf(await bench.run({ times: 2 }, { attempt: 3 }))).toBe('{"attempt":3}');
    expect(failureOf(await bench.run({ times: 1, retryable: false })).retryable).toBe(false);
  });
});
