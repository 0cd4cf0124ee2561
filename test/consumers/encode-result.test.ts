import { Decimal } from "decimal.js";
import { describe, expect, test } from "vitest";
import { encodeResult } from "../../consumers/encode-result.ts";
import { MAX_RESULT_BYTES } from "../../core/bytes.ts";

function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let i = 0; i < depth; i++) value = [value];
  return value;
}

describe("139 what becomes a result", () => {
  test.each([
    [undefined, "null"],
    [null, "null"],
    ['\u0000"\\é😀', '"\\u0000\\"\\\\é😀"'],
    [{ a: undefined, b: [undefined] }, '{"b":[null]}'],
    [new Date(0), '"1970-01-01T00:00:00.000Z"'],
    [{ sum: new Decimal("0.1") }, '{"sum":"0.1"}'],
    [Object.create(null), "{}"],
    [Number.MAX_SAFE_INTEGER, "9007199254740991"],
  ])("%o is %s", (value, text) => {
    expect(encodeResult(value)).toEqual({ ok: true, text });
  });

  test("one object in several places is no cycle", () => {
    const shared = { a: 1 };
    expect(encodeResult([shared, shared])).toEqual({ ok: true, text: '[{"a":1},{"a":1}]' });
  });

  test("the limit is 1 MiB of UTF-8, to the byte", () => {
    const fits = "x".repeat(MAX_RESULT_BYTES - 2);
    expect(encodeResult(fits)).toMatchObject({ ok: true });
    expect(encodeResult(`${fits}x`)).toMatchObject({ ok: false, code: "result-too-large" });
    expect(encodeResult("é".repeat(MAX_RESULT_BYTES / 2))).toMatchObject({ ok: false, code: "result-too-large" });
    expect(encodeResult('"'.repeat(MAX_RESULT_BYTES / 2))).toMatchObject({ ok: false, code: "result-too-large" });
  });

  test("153 depth 100 is a result, depth 101 is none", () => {
    expect(encodeResult(nested(100))).toMatchObject({ ok: true });
    expect(encodeResult(nested(101))).toMatchObject({ ok: false, code: "handler-error" });
  });
});

describe("139 153 what does not, with its place", () => {
  const cyclic: Record<string, unknown> = {};
  cyclic.self = cyclic;
  test.each([
    ["a BigInt", { a: [1, 2n] }, "/a/1", "BigInt"],
    ["a function", { "a/b": () => 1 }, "/a~1b", "function"],
    ["a bare function", () => 1, "the result", "function"],
    ["a symbol", [Symbol("x")], "/0", "symbol"],
    ["a cycle", cyclic, "/self/self", "refers to itself"],
    ["a forgotten promise", { list: Promise.resolve(1) }, "/list", "await"],
    ["a Map", { m: new Map([[1, 2]]) }, "/m", "Map"],
    ["bytes", new Uint8Array(3), "the result", "Uint8Array"],
    ["an Error", [new Error("x")], "/0", "Error"],
    ["a Response", { r: new Response("x") }, "/r", "Response"],
    ["NaN", { n: Number.NaN }, "/n", "finite"],
    ["a number beyond safe integers", { n: 2 ** 53 }, "/n", "safe integers"],
    ["a lone surrogate", ["\ud800"], "/0", "surrogate"],
    ["a key with a lone surrogate", { "\udc00": 1 }, "/", "surrogate"],
    ["what toJSON makes", { at: { toJSON: () => [Number.POSITIVE_INFINITY] } }, "/at/0", "finite"],
  ])("%s", (_, value, place, what) => {
    const encoded = encodeResult(value);
    expect(encoded).toMatchObject({ ok: false, code: "handler-error" });
    expect(encoded.ok || encoded.message).toContain(place);
    expect(encoded.ok || encoded.message).toContain(what);
  });

  test("a getter or a toJSON that throws is told, not thrown", () => {
    const getter = {
      get a() {
        throw new Error("no a here");
      },
    };
    const toJSON = {
      toJSON() {
        throw new Error("no JSON here");
      },
    };
    expect(encodeResult(getter)).toMatchObject({ ok: false, message: expect.stringContaining("no a here") });
    expect(encodeResult(toJSON)).toMatchObject({ ok: false, message: expect.stringContaining("no JSON here") });
  });
});
