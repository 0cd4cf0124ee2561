import { describe, expect, test } from "vitest";
import { describeError, MAX_MESSAGE_BYTES, MAX_STACK_BYTES } from "../../consumers/describe-error.ts";
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
