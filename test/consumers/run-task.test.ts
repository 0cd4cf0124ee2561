import { describe, expect, test } from "vitest";
import { z } from "zod";
import { defineHandler, type Handler, type TaskContext } from "../../consumers/handlers/define.ts";
import { NonRetryableError } from "../../consumers/handlers/errors.ts";
import { KIB } from "../../core/bytes.ts";
import { DEFAULT_QUEUE, seqAt, taskId } from "../../core/ids.ts";
import { failureOf, resultOf, taskBench } from "../support/node/task-bench.ts";

function handlerOf(run: (payload: unknown, ctx: TaskContext) => unknown): Handler {
  return defineHandler({ type: "t", version: 2, payload: z.unknown(), run });
}
const benchOf = (run: (payload: unknown, ctx: TaskContext) => unknown) => taskBench(handlerOf(run));

describe("an attempt that succeeds", () => {
  test("137 the outcome has the handler's answer as JSON text, the attempt, and when it began and ended", async () => {
    const { promise, resolve } = Promise.withResolvers<object>();
    const bench = benchOf(() => promise);
    const began = bench.clock.now();
    const task = bench.start({}, { seq: seqAt(began), attempt: 3 });
    bench.clock.advance(25);
    resolve({ a: [1, null, "x"] });
    expect(await task.outcome).toEqual({
      kind: "succeeded",
      seq: seqAt(began),
      attempt: 3,
      startedAt: began,
      endedAt: began + 25,
      result: '{"a":[1,null,"x"]}',
    });
  });

  test("a handler that answers nothing has the result null", async () => {
    expect(resultOf(await benchOf(() => {}).run({}))).toBe("null");
    expect(resultOf(await benchOf(async () => {}).run({}))).toBe("null");
  });

  test("103 136 the handler gets the payload as its schema parses it, defaults applied", async () => {
    const payload = z.strictObject({ n: z.int(), unit: z.string().default("ms") });
    const handler = defineHandler({ type: "t", version: 1, payload, run: ({ n, unit }) => `${n * 2} ${unit}` });
    expect(resultOf(await taskBench(handler).run({ n: 4 }))).toBe('"8 ms"');
  });

  test("a handler that has nothing to wait for costs no timer, and one that has leaves none behind", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const bench = benchOf((payload) => (payload === "wait" ? promise : payload));
    await bench.run("at once");
    expect(bench.clock.pending).toBe(0);
    const task = bench.start("wait");
    await Promise.resolve();
    expect(bench.clock.pending).toBe(1);
    resolve();
    await task.outcome;
    expect(bench.clock.pending).toBe(0);
  });
});

describe("291 a task of an older version", () => {
  const payload = z.strictObject({ names: z.array(z.string()) });
  const run = ({ names }: { names: string[] }) => names.join("+");
  const upgrade = (old: unknown, from: number) => ({
    names: [`${from}:${z.strictObject({ name: z.string() }).parse(old).name}`],
  });
  const bench = () => taskBench(defineHandler({ type: "t", version: 3, payload, upgrade, run }));

  test("runs with its payload upgraded, from the version that it was submitted under", async () => {
    expect(resultOf(await bench().start({ name: "a" }, { version: 2 }).outcome)).toBe('"2:a"');
    expect(resultOf(await bench().start({ names: ["b", "c"] }, { version: 3 }).outcome)).toBe('"b+c"');
  });

  test("is read as it is where the handler upgrades nothing", async () => {
    const plain = taskBench(defineHandler({ type: "t", version: 3, payload, run }));
    expect(resultOf(await plain.start({ names: ["a"] }, { version: 1 }).outcome)).toBe('"a"');
  });

  test.each([
    ["what upgrade throws", { name: 7 }, upgrade],
    ["what upgrade makes and the schema refuses", { name: "a" }, () => ({ names: "a" })],
  ])("ends as payload-invalid by %s, and is not tried again", async (_what, old, made) => {
    const broken = taskBench(defineHandler({ type: "t", version: 3, payload, upgrade: made, run }));
    const outcome = await broken.start(old, { version: 2 }).outcome;
    expect(failureOf(outcome)).toMatchObject({ code: "payload-invalid", retryable: false });
  });
});

describe("an attempt that fails", () => {
  test("what a handler throws, at once or later, is handler-error and tried again", async () => {
    for (const run of [
      () => {
        throw new TypeError("no such thing");
      },
      async () => {
        throw new TypeError("no such thing");
      },
    ]) {
      const failure = failureOf(await benchOf(run).run({}));
      expect(failure).toMatchObject({ code: "handler-error", class: "TypeError", retryable: true });
      expect(failure.message).toBe("no such thing");
    }
  });

  test("143 NonRetryableError is not tried again, nor is one of another bundle's class", async () => {
    class NonRetryableCopy extends Error {
      override name = "NonRetryableError";
    }
    for (const error of [new NonRetryableError("never"), new NonRetryableCopy("never")]) {
      const failure = failureOf(await benchOf(() => Promise.reject(error)).run({}));
      expect(failure).toMatchObject({ code: "handler-error", class: "NonRetryableError", message: "never" });
      expect(failure.retryable).toBe(false);
    }
  });

  test("143 a payload that its schema refuses is payload-invalid with the pointer, and is not tried again", async () => {
    const payload = z.strictObject({ list: z.array(z.strictObject({ n: z.int() })) });
    const handler = defineHandler({ type: "t", version: 1, payload, run: () => "ran" });
    const failure = failureOf(await taskBench(handler).run({ list: [{ n: 1 }, { n: "x" }] }));
    expect(failure).toMatchObject({ code: "payload-invalid", retryable: false });
    expect(failure.message).toContain("/list/1/n");
    const unread = failureOf(await taskBench(handler).run(null, { payload: '{"list":' }));
    expect(unread).toMatchObject({ code: "payload-invalid", retryable: false });
  });

  test("132 a type or a version that is not here is handed back, and said", async () => {
    const bench = benchOf(() => "ran");
    for (const claim of [{ type: "other" }, { version: 3 }])
      expect(await bench.run({}, claim)).toMatchObject({ kind: "returned" });
    expect(bench.logs).toHaveLength(2);
    expect(resultOf(await bench.run({}, { version: 1 }))).toBe('"ran"');
  });

  test("139 143 a result that is no JSON fails for good, and one over 1 MiB is result-too-large", async () => {
    expect(failureOf(await benchOf(() => ({ n: 1n })).run({}))).toMatchObject({
      code: "handler-error",
      retryable: false,
    });
    expect(failureOf(await benchOf(() => "é".repeat(600_000)).run({}))).toMatchObject({
      code: "result-too-large",
      retryable: false,
    });
  });
});

describe("retryLater", () => {
  test("144 the outcome is snoozed by so many ms; what is no duration fails for good", async () => {
    const bench = benchOf(async (seconds, ctx) => ctx.retryLater(Number(seconds)));
    expect(await bench.run(1.5)).toMatchObject({ kind: "snoozed", delayMs: 1_500 });
    expect(await bench.run(0)).toMatchObject({ kind: "snoozed", delayMs: 0 });
    for (const wrong of [-1, "x", 1e9]) expect(failureOf(await bench.run(wrong)).retryable).toBe(false);
  });
});

describe("what a handler is told", () => {
  test("136 its task, its attempt, and a key that is the same in every attempt and in no other task", async () => {
    const bench = benchOf((_, { taskId, attempt, idempotencyKey }) => [taskId, attempt, idempotencyKey]);
    const seq = seqAt(bench.clock.now());
    const told = async (claim: object) => JSON.parse(resultOf(await bench.run({}, claim)));
    const [id, first, key] = await told({ seq });
    const [sameId, second, sameKey] = await told({ seq, attempt: 2 });
    const [, , otherKey] = await told({ seq: seqAt(bench.clock.now() + 1) });
    expect([id, first, second]).toEqual([sameId, 1, 2]);
    expect(sameKey).toBe(key);
    expect(otherKey).not.toBe(key);
  });

  test("140 progress is told while the task runs, within 0 to 100; what is no number or no text is logged once and left out", async () => {
    let late: TaskContext["progress"] = () => {};
    const bench = benchOf((_, { progress }) => {
      late = progress;
      progress(12.5);
      progress(-1, "begun");
      progress(Number.POSITIVE_INFINITY, "ä".repeat(KIB));
      progress(Number.NaN);
      Reflect.apply(progress, undefined, [50, { of: 100 }]);
      Reflect.apply(progress, undefined, ["50"]);
    });
    const { outcome } = bench.start({});
    expect(resultOf(await outcome)).toBe("null");
    late(100);
    expect(bench.progress.map(([, text]) => JSON.parse(text))).toEqual([
      { percent: 12.5 },
      { percent: 0, message: "begun" },
      { percent: 100, message: "ä".repeat(KIB / 2) },
    ]);
    expect(bench.logs.map(({ level }) => level)).toEqual(["warn"]);
  });

  test("its log lines carry the task and the attempt, and its env is what the worker has", async () => {
    const handler = handlerOf((_, { log, env }) => log.info("working", { region: env.REGION }));
    const bench = taskBench(handler, { REGION: "eu" });
    const { seq } = await bench.run({}, { attempt: 2 });
    expect(bench.logs).toEqual([
      {
        level: "info",
        message: "working",
        fields: { region: "eu", attempt: 2, taskId: taskId({ queue: DEFAULT_QUEUE, shard: 0 }, seq) },
      },
    ]);
  });
});
