/** Types over HTTP. */
import { describe, expect, it } from "vitest";
import { call, type Reply } from "../support/workerd/call.ts";

const submit = (body: object): Promise<Reply> => call("POST", "/tasks/submissions", body);

describe("types", () => {
  it("C2 184 are listed with their JSON Schemas, and where they go", async () => {
    const { body } = await call("GET", "/types");
    const factorial = Array.from(body.types ?? []).find((type) => type.type === "factorial");
    expect(factorial).toMatchObject({
      type: "factorial",
      known: "handled",
      version: 1,
      queue: null,
      payload: { type: "object", properties: { n: { type: "integer", minimum: 0, maximum: 20_000 } }, required: ["n"] },
    });
  });

  it("C2 105 179 184 routing is changed at run time: the next submission goes there, and makes the queue", async () => {
    expect((await submit({ type: "sleep", payload: { ms: 0 } })).body.queue).toBe("default");
    const put = await call("PUT", "/types/sleep", { queue: "slow" });
    expect(put).toMatchObject({ status: 200, body: { type: "sleep", queue: "slow", known: "handled" } });
    expect((await submit({ type: "sleep", payload: { ms: 0 } })).body.queue).toBe("slow");
    expect((await call("GET", "/types/sleep")).body.queue).toBe("slow");
    const whole = await call("PUT", "/types/sleep", { cacheTtlSeconds: 0 });
    expect(whole).toMatchObject({ status: 200, body: { queue: "default", cacheTtlSeconds: 0 } });
    expect((await submit({ type: "sleep", payload: { ms: 0 } })).body.queue).toBe("default");
  });

  it("C2 184 PATCH changes what it names and leaves the rest; of a type that nobody knows it is 404", async () => {
    await call("PUT", "/types/sleep", { queue: "patched" });
    const cached = await call("PATCH", "/types/sleep", { cacheTtlSeconds: 5 });
    expect(cached).toMatchObject({ status: 200, body: { queue: "patched", cacheTtlSeconds: 5, handled: true } });
    expect(cached.body).not.toHaveProperty("note");
    const moved = await call("PATCH", "/types/sleep", { queue: "elsewhere" });
    expect(moved.body).toMatchObject({ queue: "elsewhere", cacheTtlSeconds: 5 });
    expect((await submit({ type: "sleep", payload: { ms: 0 } })).body.queue).toBe("elsewhere");
    await call("DELETE", "/types/sleep");
    const first = await call("PATCH", "/types/sleep", { cacheTtlSeconds: 0 });
    expect(first.body).toMatchObject({ queue: null, cacheTtlSeconds: 0 });
    expect((await call("GET", "/types/sleep")).body).toMatchObject({ queue: null, cacheTtlSeconds: 0 });
    expect((await submit({ type: "sleep", payload: { ms: 0 } })).body.queue).toBe("default");
    await call("PATCH", "/types/sleep", { queue: "patched" });
    expect((await call("PATCH", "/types/sleep", { queue: null })).body).toMatchObject({
      queue: null,
      cacheTtlSeconds: 0,
    });
    expect((await call("PUT", "/types/sleep", { queue: null })).status).toBe(422);
    await call("DELETE", "/types/sleep");
    expect((await call("PATCH", "/types/slep", { queue: "a" })).status).toBe(404);
    for (const json of [{}, { qeue: "a" }, { queue: "o o" }])
      expect((await call("PATCH", "/types/sleep", json)).status).toBe(422);
  });

  it("184 a PUT of a type that no handler here has says so in words", async () => {
    const { body } = await call("PUT", "/types/ehco", { queue: "default" });
    expect(body).toMatchObject({ handled: false, note: expect.stringContaining("No handler") });
    await call("DELETE", "/types/ehco");
  });

  it("248 a PUT or PATCH is warned where shards divide what keys get, and of a type that nobody knows", async () => {
    const put = await call("PUT", "/queues/divided", {
      shards: 4,
      concurrency: 4,
      typeLimits: { nope: { concurrency: 4 } },
    });
    expect(put).toMatchObject({
      status: 200,
      body: { warnings: [{ pointer: "/shards" }, { pointer: "/typeLimits/nope" }] },
    });
    await call("PUT", "/types/nope", { queue: "divided" });
    const patch = await call("PATCH", "/queues/divided", { slots: 2 });
    expect(patch.body).toMatchObject({
      warnings: [{ pointer: "/shards", detail: expect.stringContaining("1 of concurrency 4") }],
    });
    const one = await call("PATCH", "/queues/divided", { shards: 1 });
    expect(one.body).not.toHaveProperty("warnings");
    const empty = await call("PATCH", "/queues/divided", { typeLimits: { echo: {} } });
    expect(empty).toMatchObject({ status: 422, body: { errors: [{ pointer: "/typeLimits/echo" }] } });
    await call("DELETE", "/types/nope");
  });

  it("C2 184 PUT makes known what only workers elsewhere run: any JSON is its payload", async () => {
    expect((await submit({ type: "video/encode:v2", payload: {} })).body.code).toBe("type-unknown");
    expect((await call("PUT", "/types/video/encode:v2", { queue: "video" })).status).toBe(200);
    expect((await call("GET", "/types/video%2Fencode:v2")).body).toMatchObject({
      known: "declared",
      queue: "video",
      payload: null,
    });
    const { status, body } = await submit({ type: "video/encode:v2", payload: [1, { any: "thing" }] });
    expect(status).toBe(202);
    expect(body.queue).toBe("video");
  });

  it("C2 184 DELETE undoes the PUT: a declared type is unknown again, a handled one goes to default; what waits stays", async () => {
    for (const type of ["audio/mix", "echo"]) await call("PUT", `/types/${type}`, { queue: "undone" });
    const { body: waiting } = await submit({ type: "audio/mix", payload: 1 });
    expect((await submit({ type: "echo", payload: 1 })).body.queue).toBe("undone");
    for (const type of ["audio/mix", "echo"]) expect((await call("DELETE", `/types/${type}`)).status).toBe(204);
    expect((await submit({ type: "audio/mix", payload: 1 })).body.code).toBe("type-unknown");
    expect((await submit({ type: "echo", payload: 1 })).body.queue).toBe("default");
    expect((await call("GET", "/types/echo")).body).toMatchObject({ known: "handled", queue: null });
    expect((await call("GET", `/tasks/submissions/${waiting.id}`)).body).toMatchObject({
      queue: "undone",
      status: "QUEUED",
    });
    expect((await call("DELETE", "/types/audio/mix")).status).toBe(404);
  });

  it("184 187 a name in the path that nothing can have stands in errors as {its part}", async () => {
    for (const [path, body, pointer] of [
      ["/types/a%20b", { queue: "x" }, "{type}"],
      ["/schedules/a%20b", { type: "echo", payload: 1, everySeconds: 60 }, "{id}"],
    ] as const)
      expect(await call("PUT", path, body)).toMatchObject({ status: 422, body: { errors: [{ pointer }] } });
  });

  it.each<[string, string, string, unknown, number, string]>([
    ["a type that is routed nowhere", "DELETE", "/types/factorial", undefined, 404, "not-found"],
    ["a type that nobody knows", "DELETE", "/types/none", undefined, 404, "not-found"],
    ["a type that nobody knows", "GET", "/types/none", undefined, 404, "not-found"],
    ["a name with a blank", "PUT", "/types/a%20b", { queue: "x" }, 422, "invalid-request"],
    ["a queue's name that is none", "PUT", "/types/echo", { queue: "a.b" }, 422, "invalid-request"],
    ["a field too many", "PUT", "/types/echo", { queue: "a", weight: 1 }, 422, "invalid-request"],
  ])("184 %s: %s %s is refused", async (_, method, path, body, status, code) => {
    expect(await call(method, path, body)).toMatchObject({ status, body: { code } });
  });
});
