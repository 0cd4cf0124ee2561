import { expect, it } from "vitest";
import { z } from "zod";
import { explainIssues, MAX_ERRORS } from "../../core/explain-issues.ts";

const schema = z.strictObject({ a: z.strictObject({ "x/y": z.int() }), list: z.array(z.int()).optional() });

function explain(value: unknown, prefix?: string) {
  return explainIssues(schema.safeParse(value).error?.issues ?? [], prefix);
}

it("102 gives each unknown field a pointer of its own", () => {
  expect(explain({ a: { "x/y": 1, "~": 1, z: 2 } }).map((error) => error.pointer)).toEqual(["/a/~0", "/a/z"]);
});

it("puts a prefix before pointers, and points at the root where that is wrong", () => {
  expect(explain({ a: { "x/y": "1" } }, "/tasks/3/payload")).toMatchObject([{ pointer: "/tasks/3/payload/a/x~1y" }]);
  expect(explain(1, "/payload")).toMatchObject([{ pointer: "/payload" }]);
});

it("lists no more than a hundred", () => {
  expect(explain({ a: { "x/y": 1 }, list: Array.from({ length: 500 }, () => "no") })).toHaveLength(MAX_ERRORS);
});
