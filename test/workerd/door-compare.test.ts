/** `GET /tasks/compare` over HTTP: tasks that live, tasks that history has, tasks that are not there. */
import { beforeAll, expect, it } from "vitest";
import { call, type Json } from "../support/workerd/call.ts";

const submit = async (body: object): Promise<string> =>
  String((await call("POST", "/tasks/submissions", body)).body.id);
const compare = (a: string, b: string) => call("GET", `/tasks/compare?a=${a}&b=${b}`);
const fieldsOf = (body: Json) => (body.differences ?? []).map(({ field }) => field);

beforeAll(async () => {
  await call("PUT", "/queues/compared", {});
  await call("PUT", "/queues/compared-held", {});
  await call("POST", "/queues/compared-held/pause");
});

it("E10 282 two tasks that have ended: by value, and their timings", async () => {
  const a = await submit({ type: "echo", payload: { n: 1, same: [1, { x: "y" }] }, queue: "compared", tags: ["t"] });
  const b = await submit({ type: "echo", payload: { same: [1, { x: "y" }], n: 2 }, queue: "compared", tags: ["t"] });
  for (const id of [a, b]) await call("GET", `/tasks/submissions/${id}?wait=20`);
  const { status, body } = await compare(a, b);
  expect(status).toBe(200);
  expect(body).toMatchObject({ a: { id: a, status: "SUCCEEDED" }, b: { id: b, status: "SUCCEEDED" }, more: false });
  expect(body.differences).toContainEqual({ field: "/payload/n", a: 1, b: 2 });
  expect(body.differences).toContainEqual({ field: "/result/n", a: 1, b: 2 });
  expect(body.same).toEqual(expect.arrayContaining(["queue", "type", "priority", "tags", "status"]));
  expect(fieldsOf(body)).not.toContain("/id");
  expect((await compare(a, a)).body).toMatchObject({ different: 0, differences: [] });
});

it("282 one that waits and one that has ended, of two queues", async () => {
  const a = await submit({ type: "echo", payload: "x", queue: "compared" });
  await call("GET", `/tasks/submissions/${a}?wait=20`);
  const b = await submit({ type: "echo", payload: "x", queue: "compared-held", priority: 9 });
  const { body } = await compare(a, b);
  expect(body.differences).toContainEqual({ field: "/status", a: "SUCCEEDED", b: "QUEUED" });
  expect(body.differences).toContainEqual({ field: "/priority", a: 5, b: 9 });
  expect(body.differences).toContainEqual({ field: "/result", a: "x" });
  expect(body.differences).toContainEqual(expect.objectContaining({ field: "/timings/waitMs", b: null }));
  expect(body.same).toContain("payload");
});

it("282 what is missing or wrong is named by its parameter", async () => {
  const a = await submit({ type: "echo", payload: "x", queue: "compared-held" });
  for (const [query, status, pointer] of [
    ["", 422, "?a"],
    [`a=${a}`, 422, "?b"],
    [`a=${a}&b=`, 422, "?b"],
    [`a=${a}&b=${a}&c=1`, 422, "?c"],
    [`a=nothing&b=${a}`, 404, "?a"],
    [`a=${a}&b=compared.0.00000000001`, 410, "?b"],
  ] as const) {
    const reply = await call("GET", `/tasks/compare?${query}`);
    expect([reply.status, reply.body.errors?.[0]?.pointer], query).toEqual([status, pointer]);
  }
});
