import { describe, expect, it } from "vitest";
import { z } from "zod";
import { checkPayload, declaredType, type Fault, handledType, isFault, makeTask } from "../../core/make-task.ts";
import type { NewTask } from "../../core/schema/rpc.ts";
import type { SubmittedTask } from "../../core/schema/submission.ts";

const NOW = Date.UTC(2026, 10, 24, 12);
const plain = declaredType("plain");
const strict = handledType({
  type: "strict",
  version: 3,
  payload: z.strictObject({ amount: z.number().min(0), note: z.string().default("none") }),
  timeoutMs: 5_000,
  retry: { maxAttempts: 2, backoff: "fixed" },
});

function made(task: Partial<SubmittedTask>, type = plain): NewTask {
  const result = makeTask({ type: type.type, payload: null, ...task }, type, NOW);
  if (isFault(result)) throw new Error(`refused: ${JSON.stringify(result)}`);
  return result;
}

function fault(task: Partial<SubmittedTask>, type = plain): Fault {
  const result = makeTask({ type: type.type, payload: null, ...task }, type, NOW);
  if (!isFault(result)) throw new Error(`accepted: ${JSON.stringify(result)}`);
  return result;
}

function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let i = 0; i < depth; i++) value = [value];
  return value;
}

describe("payloads", () => {
  it("103 keeps what was sent, not what the schema made of it", () => {
    expect(made({ payload: { amount: 2 } }, strict).payload).toBe('{"amount":2}');
  });

  it("103 names each fault below /payload", () => {
    const { code, errors } = fault({ payload: { amount: -1, "a/b~c": 1 } }, strict);
    expect(code).toBe("payload-invalid");
    expect(errors.map((error) => error.pointer)).toEqual(["/payload/amount", "/payload/a~1b~0c"]);
  });

  it.each<[string, unknown, string]>([
    ["depth 101", nested(101), `/payload${"/0".repeat(100)}`],
    ["half a surrogate pair", { a: ["\ud800"] }, "/payload/a/0"],
    ["a key with half a pair", { "\udc00": 1 }, "/payload"],
    ["a number beyond safe integers", { n: 2 ** 53 }, "/payload/n"],
    ["infinity", [JSON.parse("1e400")], "/payload/0"],
  ])("153 refuses %s", (_, payload, pointer) => {
    expect(fault({ payload })).toMatchObject({ code: "payload-invalid", errors: [{ pointer }] });
  });

  it.each<[string, unknown]>([
    ["depth 100", nested(100)],
    ["the largest safe integer", 2 ** 53 - 1],
    ["null", null],
    ["a pair", "\ud83d\ude00"],
    ["its own __proto__", JSON.parse('{"__proto__": 1}')],
  ])("153 takes %s and gives it back unchanged", (_, payload) => {
    expect(JSON.parse(made({ payload }).payload)).toEqual(payload);
  });

  it("152 counts 256 KiB in UTF-8 bytes of the text, quotes included", () => {
    const limit = 256 * 1024;
    expect(made({ payload: "x".repeat(limit - 2) }).payload.length).toBe(limit);
    expect(fault({ payload: "x".repeat(limit - 1) }).code).toBe("payload-too-large");
    expect(fault({ payload: "é".repeat(limit / 2) }).code).toBe("payload-too-large");
    expect(fault({ payload: '"'.repeat(limit / 2) }).code).toBe("payload-too-large");
    expect(fault({ payload: "\u0001".repeat(limit / 6 + 1) }).code).toBe("payload-too-large");
  });

  it("checks depth before anything that recurses", () => {
    const hostile: unknown = JSON.parse("[".repeat(100_000) + "]".repeat(100_000));
    expect(checkPayload(hostile, declaredType("x"))).toMatchObject({ code: "payload-invalid" });
  });
});

describe("times", () => {
  it("106 delaySeconds counts from now, 0 is at once", () => {
    expect(made({ delaySeconds: 0.5 }).runAt).toBe(NOW + 500);
    expect(made({ delaySeconds: 0 }).runAt).toBeNull();
    expect(made({}).runAt).toBeNull();
  });

  it("106 a runAt in the past is at once, one more than a year ahead is refused", () => {
    expect(made({ runAt: "2026-11-24T11:59:59Z" }).runAt).toBeNull();
    expect(made({ runAt: "2026-11-24T14:00:01+02:00" }).runAt).toBe(NOW + 1_000);
    expect(made({ runAt: "2027-11-24T12:00:00Z" }).runAt).toBe(NOW + 365 * 86_400_000);
    expect(fault({ runAt: "2027-11-24T12:00:00.001Z" })).toMatchObject({
      code: "invalid-request",
      errors: [{ pointer: "/runAt" }],
    });
  });
});

describe("219 by when it must have begun", () => {
  it("counts ttlSeconds from now, takes expiresAt as it is, and gives neither to a task that told none", () => {
    expect(made({ ttlSeconds: 0.5 }).expiresAt).toBe(NOW + 500);
    expect(made({ expiresAt: "2026-11-24T14:00:01+02:00" }).expiresAt).toBe(NOW + 1_000);
    expect(made({})).not.toHaveProperty("expiresAt");
  });

  it("refuses a moment at which the task may not begin yet", () => {
    const pointerOf = (task: Parameters<typeof fault>[0]) => fault(task).errors[0]?.pointer;
    expect(pointerOf({ expiresAt: "2026-11-24T12:00:00Z" })).toBe("/expiresAt");
    expect(pointerOf({ ttlSeconds: 5, delaySeconds: 5 })).toBe("/ttlSeconds");
    expect(made({ ttlSeconds: 5.001, delaySeconds: 5 }).expiresAt).toBe(NOW + 5_001);
  });
});

describe("options and priority", () => {
  it("107 names of priorities", () => {
    const { low, normal, high, critical } = { low: 2, normal: 5, high: 7, critical: 9 };
    expect(made({}).priority).toBe(normal);
    expect(made({ priority: "low" }).priority).toBe(low);
    expect(made({ priority: "high" }).priority).toBe(high);
    expect(made({ priority: "critical" }).priority).toBe(critical);
    expect(made({ priority: 0 }).priority).toBe(0);
  });

  it("108 a task's own options go before its type's, retry field by field", () => {
    expect(made({ payload: { amount: 1 } }, strict)).toMatchObject({
      version: 3,
      options: '{"timeoutMs":5000,"retry":{"maxAttempts":2,"backoff":"fixed"}}',
    });
    const own = made(
      { payload: { amount: 1 }, timeoutMs: 9, retry: { maxAttempts: 7, baseMs: 10 }, tags: ["a"] },
      strict,
    );
    expect(JSON.parse(own.options ?? "")).toEqual({
      timeoutMs: 9,
      retry: { maxAttempts: 7, backoff: "fixed", baseMs: 10 },
      tags: ["a"],
    });
  });

  it("nothing told is null, and equal options are equal texts", () => {
    expect(made({}).options).toBeNull();
    expect(made({ tags: [], retry: {} }).options).toBeNull();
    expect(made({ maxCrashes: 2, timeoutMs: 1 }).options).toBe(made({ timeoutMs: 1, maxCrashes: 2 }).options);
  });
});
