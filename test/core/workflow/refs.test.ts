/** References in payloads: found, filled in, told otherwise. */
import { expect, it } from "vitest";
import { fillRefs, findRefs, mapRefs, parseNodeName, valueAt } from "../../../core/workflow/refs.ts";

const payload = {
  to: { $result: "a/user/mail" },
  list: [1, { $item: "/id" }, { $literal: { $result: "x" } }],
  data: { $result: "a", more: true },
  "a/b": { $error: "a" },
};

it("304 finds each reference with its place", () => {
  expect(findRefs(payload).map(({ kind, pointer }) => [kind, pointer])).toEqual([
    ["$result", "/to"],
    ["$item", "/list/1"],
    ["$literal", "/list/2"],
    ["$error", "/a~1b"],
  ]);
});

it("304 fills references in and takes the wrapping off what is literal", () => {
  expect(fillRefs(payload, ({ kind, told }) => `${kind}:${told}`)).toEqual({
    to: "$result:a/user/mail",
    list: [1, "$item:/id", { $result: "x" }],
    data: { $result: "a", more: true },
    "a/b": "$error:a",
  });
});

it("304 what is literal stays so while names are changed", () => {
  expect(mapRefs(payload, ({ told }) => `S.${told}`)).toMatchObject({
    to: { $result: "S.a/user/mail" },
    list: [1, { $item: "S./id" }, { $literal: { $result: "x" } }],
  });
});

it("304 a field called __proto__ is data like any other", () => {
  const value: unknown = JSON.parse('{"__proto__": {"$result": "a"}}');
  expect(JSON.stringify(fillRefs(value, () => 1))).toBe('{"__proto__":1}');
});

it("304 reads names and pointers as RFC 6901 has them", () => {
  expect(parseNodeName("a/x/0")).toEqual({ key: "a", pointer: "/x/0" });
  expect(parseNodeName("S.a")).toEqual({ key: "S.a", pointer: "" });
  for (const wrong of ["", "/x", 7, null, "a/x~", "a/x~2/y"]) expect(parseNodeName(wrong)).toBeNull();
  const root = { x: [{ "a/b": 1, "m~n": 2 }], "": 3 };
  expect(valueAt(root, "")).toBe(root);
  expect(valueAt(root, "/x/0/a~1b")).toBe(1);
  expect(valueAt(root, "/x/0/m~0n")).toBe(2);
  expect(valueAt(root, "/")).toBe(3);
  for (const none of ["/y", "/x/1", "/x/00", "/x/length", "/x/0/a~1b/c", "/toString"])
    expect(valueAt(root, none)).toBeUndefined();
});
