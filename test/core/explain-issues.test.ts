import { expect, it } from "vitest";
import { z } from "zod";
import { explainIssues, MAX_ERRORS } from "../../core/explain-issues.ts";
import { QueuePatchSchema } from "../../core/schema/queue-settings.ts";

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

it("187 tells in words of its own what is missing, what a name must be, and one fault a place", () => {
  const told = (one: z.ZodType, value: unknown) =>
    explainIssues(one.safeParse(value).error?.issues ?? []).map(({ pointer, detail }) => `${pointer} ${detail}`);
  const body = z.strictObject({
    name: z.string().min(2).max(4),
    kind: z.enum(["a", "b"]),
    list: z.array(z.int().min(1)).min(1).max(4).optional(),
    more: z.strictObject({ on: z.boolean() }).optional(),
    rate: z.number().positive().max(9).optional(),
  });
  expect(told(body, {})).toEqual(["/name is required", "/kind is required"]);
  expect(told(body, null)).toEqual([" must be an object"]);
  expect(told(body, { name: "long one", kind: "c", list: "longer", more: { on: 1 }, rate: 0 })).toEqual([
    "/name must have at most 4 characters",
    '/kind must be one of "a", "b"',
    "/list must be a list",
    "/more/on must be true or false",
    "/rate must be more than 0",
  ]);
  expect(told(body, { name: 1, kind: "a", list: [], rate: "1" })).toEqual([
    "/name must be a string",
    "/list must have at least 1 entry",
    "/rate must be a number",
  ]);
  expect(told(body, { name: "ab", kind: "a", list: [0.5, 0, "x"] })).toEqual([
    "/list/0 must be a whole number",
    "/list/1 must be at least 1",
    "/list/2 must be a number",
  ]);
  expect(told(z.union([z.string(), z.int()]), true)).toEqual([" is none of the forms that are taken"]);
  expect(told(z.discriminatedUnion("do", [z.object({ do: z.literal("x") })]), {})).toEqual(['/do must be "x"']);
  expect(told(QueuePatchSchema, { typeLimits: { "a b": {} }, fair: { weights: { "": 1, ok: 0 } } })).toEqual([
    "/typeLimits/a b is no task type's name: 1 to 128 letters, digits or any of _ . : / -",
    "/fair/weights/ is no key that a task can have: 1 to 128 visible ASCII characters",
    "/fair/weights/ok must be at least 0.01",
  ]);
});
