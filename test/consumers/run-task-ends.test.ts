/** Timeouts and stops: one outcome, in time, whatever the handler does afterwards. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { defineHandler, type TaskContext } from "../../consumers/handlers/define.ts";
import { CANCEL_GRACE_MS } from "../../core/lease.ts";
import { failureOf, resultOf, taskBench } from "../support/node/task-bench.ts";

function benchOf(run: (payload: unknown, ctx: TaskContext) => unknown) {
  return taskBench(defineHandler({ type: "t", version: 1, payload: z.unknown(), run }));
}

const unhandled: unknown[] = [];
const note = (reason: unknown) => unhandled.push(reason);
beforeEach(() => {
  unhandled.length = 0;
  process.on("unhandledRejection", note);
});
afterEach(() => {
  process.off("unhandledRejection", note);
});
/** Rejections nobody heard are told after the microtasks of a turn: one turn of the loop shows them all. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

describe("138 timeout", () => {
  test("a handler that never settles ends as timeout, tried again, and its signal fires", async () => {
    let signal: AbortSignal | null = null;
    const bench = benchOf((_, ctx) => {
      signal = ctx.signal;
      return new Promise(() => {});
    });
    const task = bench.start({}, { timeoutMs: 500 });
    await Promise.resolve();
    bench.clock.advance(499);
    expect(signal).toHaveProperty("aborted", false);
    bench.clock.advance(1);
    expect(failureOf(await task.outcome)).toMatchObject({ code: "timeout", retryable: true });
    expect(signal).toHaveProperty("aborted", true);
    expect(signal).toHaveProperty("reason.name", "TimeoutError");
  });

  test("a signal that is first asked for after the timeout is aborted already", async () => {
    const seen = Promise.withResolvers<boolean>();
    const gate = Promise.withResolvers<void>();
    const bench = benchOf(async (_, ctx) => {
      await gate.promise;
      seen.resolve(ctx.signal.aborted);
    });
    const task = bench.start({}, { timeoutMs: 500 });
    await Promise.resolve();
    bench.clock.advance(500);
    await task.outcome;
    gate.resolve();
    expect(await seen.promise).toBe(true);
  });

  test("137 what the handler answers or throws after its time is dropped, and no rejection goes unheard", async () => {
    for (const settle of ["resolve", "reject"] as const) {
      const late = Promise.withResolvers<unknown>();
      const bench = benchOf(() => late.promise);
      const task = bench.start({}, { timeoutMs: 500 });
      await Promise.resolve();
      bench.clock.advance(500);
      late[settle](new Error("too late"));
      await turn();
      expect(failureOf(await task.outcome).code).toBe("timeout");
      expect(bench.clock.pending).toBe(0);
    }
    expect(unhandled).toEqual([]);
  });

  test("a handler that obeys its signal is a timeout all the same, not a handler-error", async () => {
    const bench = benchOf((_, { signal }) => {
      const { promise, reject } = Promise.withResolvers();
      signal.addEventListener("abort", () => reject(signal.reason));
      return promise;
    });
    const task = bench.start({}, { timeoutMs: 500 });
    await Promise.resolve();
    bench.clock.advance(500);
    expect(failureOf(await task.outcome)).toMatchObject({ code: "timeout", retryable: true });
    await turn();
    expect(unhandled).toEqual([]);
  });
});

describe("cancelled while it runs", () => {
  const obedient = () =>
    benchOf((_, { signal }) => {
      const { promise, reject } = Promise.withResolvers();
      signal.addEventListener("abort", () => reject(signal.reason));
      return promise;
    });

  test("217 a handler that obeys its signal ends cancelled at once", async () => {
    const bench = obedient();
    const task = bench.start({});
    task.stop("cancelled");
    expect(await task.outcome).toMatchObject({ kind: "cancelled", error: { code: "cancelled" } });
    expect(bench.clock.pending).toBe(0);
  });

  test("217 one that finishes its work nevertheless has succeeded", async () => {
    const { promise, resolve } = Promise.withResolvers<string>();
    const task = benchOf(() => promise).start({});
    task.stop("cancelled");
    resolve("done");
    expect(resultOf(await task.outcome)).toBe('"done"');
  });

  test("217 one that does not listen is cancelled when its grace is over, even beyond its timeout", async () => {
    const bench = benchOf(() => new Promise(() => {}));
    const task = bench.start({}, { timeoutMs: 500 });
    await Promise.resolve();
    task.stop("cancelled");
    task.stop("cancelled");
    expect(bench.clock.pending).toBe(1);
    bench.clock.advance(CANCEL_GRACE_MS);
    expect(await task.outcome).toMatchObject({ kind: "cancelled", error: { code: "cancelled" } });
  });

  test("a stop that comes in the same turn as the start leaves the grace in force", async () => {
    const bench = benchOf(() => new Promise(() => {}));
    const task = bench.start({}, { timeoutMs: 500 });
    task.stop("cancelled");
    await Promise.resolve();
    bench.clock.advance(CANCEL_GRACE_MS);
    expect(await task.outcome).toMatchObject({ kind: "cancelled", error: { code: "cancelled" } });
  });
});

describe("197 its worker has to stop", () => {
  test("the task is handed back at once, its signal fires, and what comes later is dropped", async () => {
    let signal: AbortSignal | null = null;
    const late = Promise.withResolvers<unknown>();
    const bench = benchOf((_, ctx) => {
      signal = ctx.signal;
      return late.promise;
    });
    const task = bench.start({});
    task.stop("returned");
    expect(await task.outcome).toMatchObject({ kind: "returned", attempt: 1 });
    expect(signal).toHaveProperty("aborted", true);
    late.reject(new Error("too late"));
    await turn();
    expect(unhandled).toEqual([]);
    expect(bench.clock.pending).toBe(0);
  });

  test("a cancelled task that is still in its grace is handed back too", async () => {
    const task = benchOf(() => new Promise(() => {})).start({});
    task.stop("cancelled");
    task.stop("returned");
    expect(await task.outcome).toMatchObject({ kind: "returned" });
  });

  test("stopping a task that has ended changes nothing", async () => {
    const task = benchOf(() => "done").start({});
    task.stop("returned");
    expect(resultOf(await task.outcome)).toBe('"done"');
  });
});
