import { describe, expect, test } from "vitest";
import { describeError, fingerprint, MAX_MESSAGE_BYTES, MAX_STACK_BYTES } from "../../consumers/describe-error.ts";
import { utf8Bytes } from "../../core/bytes.ts";

class PaymentRefused extends Error {}

describe("the error of an attempt", () => {
  test("class, message with its causes, and stack", () => {
    const error = describeError(
      new PaymentRefused("not paid", { cause: new TypeError("card", { cause: new Error("expired") }) }),
      "handler-error",
    );
    expect(error).toMatchObject({
      code: "handler-error",
      class: "PaymentRefused",
      message: "not paid: card: expired",
      fingerprint: expect.stringMatching(/^[0-9a-f]{16}$/),
    });
    expect(error.stack).toContain("describe-error.test");
  });

  test("message and stack are cut to 2 and 4 KiB of UTF-8, never within a character", () => {
    const long = new Error("😀".repeat(5_000));
    const { message, stack } = describeError(long, "handler-error");
    expect(utf8Bytes(message)).toBe(MAX_MESSAGE_BYTES);
    expect(message.isWellFormed()).toBe(true);
    expect(utf8Bytes(stack ?? "")).toBeLessThanOrEqual(MAX_STACK_BYTES);
    expect(stack?.isWellFormed()).toBe(true);
  });

  test("lone surrogates become U+FFFD, so that the error can be stored", () => {
    expect(describeError(new Error("a\ud800b"), "handler-error").message).toBe("a\ufffdb");
  });

  test.each([
    ["just text", "string", "just text"],
    [undefined, "undefined", "undefined"],
    [null, "null", "null"],
    [{ reason: "odd" }, "object", '{"reason":"odd"}'],
    [42n, "bigint", "42"],
  ])("what is thrown need not be an Error: %o", (thrown, name, message) => {
    expect(describeError(thrown, "handler-error")).toMatchObject({ class: name, message });
    expect(describeError(thrown, "handler-error")).not.toHaveProperty("stack");
  });

  test("what cannot even be read is described all the same", () => {
    const hostile = new Proxy(new Error("x"), {
      get() {
        throw new Error("hands off");
      },
    });
    const cyclic: Record<string, unknown> = {};
    cyclic.self = cyclic;
    for (const thrown of [hostile, cyclic, Object.create(null, { toString: { value: 1 } })])
      expect(describeError(thrown, "handler-error").message).not.toBe("");
  });
});

describe("163 the fingerprint", () => {
  const stack = (frames: string[]) => ["Error: x", ...frames.map((frame) => `    at ${frame}`)].join("\n");
  const here = stack(["fetchUser (/app/index.js:10:5)", "run (/app/index.js:20:5)"]);

  test("is the same for messages that differ in numbers, UUIDs and hexadecimal runs alone", () => {
    const of = (message: string) => fingerprint("Error", message, here);
    const same = [
      "user 17 of 3f2504e0-4f89-11d3-9a0c-0305e82c3301 at 0xDEADBEEF, trace 9f86d081884c",
      "user 4 of 00000000-0000-0000-0000-000000000000 at 0x1, trace aaaaaa111111",
    ];
    expect(new Set(same.map(of)).size).toBe(1);
    expect(of("user gone")).not.toBe(of("user away"));
  });

  test("267 is another for another `code` of the error: 401 and 404 are two causes", () => {
    const of = (code: unknown) => {
      const error = Object.assign(new Error("answered 404"), { code });
      return describeError(error, "handler-error").fingerprint;
    };
    expect(new Set(["http-404", "http-401", 5, undefined].map(of)).size).toBe(4);
    expect(of("http-404")).toBe(of("http-404"));
  });

  test("is the same after a deploy that moved lines, and another for another class or function", () => {
    const moved = stack(["fetchUser (/app/index.js:910:7)", "run (/app/index.js:20:5)"]);
    const elsewhere = stack(["fetchOrder (/app/index.js:10:5)", "run (/app/index.js:20:5)"]);
    expect(fingerprint("Error", "x", moved)).toBe(fingerprint("Error", "x", here));
    expect(fingerprint("Error", "x", elsewhere)).not.toBe(fingerprint("Error", "x", here));
    expect(fingerprint("TypeError", "x", here)).not.toBe(fingerprint("Error", "x", here));
  });

  test("passes over frames of the runtime and of libraries", () => {
    const through = stack([
      "new Promise (<anonymous>)",
      "node:internal/process/task_queues:95:5",
      "parse (/app/node_modules/zod/index.js:1:1)",
      "async fetchUser (/app/index.js:10:5)",
    ]);
    expect(fingerprint("Error", "x", through)).toBe(fingerprint("Error", "x", here));
  });
});
