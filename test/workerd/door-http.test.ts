/** What holds for every request: ids, content types, sizes, methods, problems. */
import { describe, expect, it } from "vitest";
import { call } from "../support/workerd/call.ts";
import { serviceWith } from "../support/workerd/service.ts";

const PATH = "/tasks/submissions";
const task = JSON.stringify({ type: "echo", payload: 1 });
const post = (
  raw: string | Uint8Array | ReadableStream<Uint8Array>,
  type: string | null,
  fetch?: (request: Request) => Promise<Response>,
) =>
  call("POST", PATH, undefined, {
    raw,
    headers: type === null ? {} : { "content-type": type },
    ...(fetch && { fetch }),
  });

function streamOf(...parts: readonly string[]): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream({
    start(controller) {
      for (const part of parts) controller.enqueue(encoder.encode(part));
      controller.close();
    },
  });
}

describe("X-Request-Id", () => {
  it.each([
    ["GET", "/health/live"],
    ["GET", "/nowhere"],
    ["DELETE", "/queues"],
    ["OPTIONS", "/queues"],
    ["POST", PATH],
  ])("A9 186 is made on %s %s, and is in the problem where there is one", async (method, path) => {
    const { headers, body } = await call(method, path);
    expect(headers.get("x-request-id")).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4/);
    if (headers.get("content-type") === "application/problem+json")
      expect(body.requestId).toBe(headers.get("x-request-id"));
  });

  it("A9 186 a well-formed one is echoed, any other replaced", async () => {
    const sent = async (id: string) =>
      (await call("GET", "/nowhere", undefined, { headers: { "x-request-id": id } })).headers.get("x-request-id");
    expect(await sent("order-17/retry~2")).toBe("order-17/retry~2");
    expect(await sent("x".repeat(128))).toBe("x".repeat(128));
    for (const wrong of ["x".repeat(129), "two words", "caf\u00e9"])
      expect(await sent(wrong)).toMatch(/^[0-9a-f-]{36}$/);
  });
});

describe("bodies", () => {
  it.each([
    "application/json",
    "application/json; charset=utf-8",
    "Application/JSON;charset=UTF-8",
    'application/json; charset="utf-8"',
  ])("A9 188 %s is JSON", async (type) => {
    expect((await post(task, type)).status).toBe(202);
  });

  it.each([
    "text/plain",
    "application/x-www-form-urlencoded",
    "application/json; charset=latin1",
    "application/jsonp",
    "multipart/form-data",
    "text/plain; application/json",
  ])("A9 188 %s is 415", async (type) => {
    expect(await post(task, type)).toMatchObject({ status: 415, body: { code: "unsupported-media-type" } });
  });

  it("A9 188 a body of no stated type is 415, or a page of another origin could send one unasked", async () => {
    expect(await post(new TextEncoder().encode(task), null)).toMatchObject({ status: 415 });
  });

  it.each([
    ["nothing", ""],
    ["A8 {invalid syntax}", "{invalid syntax}"],
    ["half an object", '{"type": "echo"'],
    ["two values", "{} {}"],
    ["NaN", '{"type": "echo", "payload": NaN}'],
  ])("188 %s is 422 invalid-json", async (_, raw) => {
    expect(await post(raw, "application/json")).toMatchObject({ status: 422, body: { code: "invalid-json" } });
  });

  it("188 bytes that are not UTF-8 are refused, not replaced", async () => {
    const bytes = new TextEncoder().encode('{"type": "echo", "payload": "?"}');
    bytes[bytes.indexOf(0x3f)] = 0xff;
    expect(await post(bytes, "application/json")).toMatchObject({ status: 422, body: { code: "invalid-json" } });
  });

  it("188 a byte order mark is no fault", async () => {
    expect((await post(`\ufeff${task}`, "application/json")).status).toBe(202);
  });

  it("188 a body that does not end is read to 64 MiB, then let go", async () => {
    const chunk = new Uint8Array(1_048_576).fill(0x20);
    let chunks = 0;
    let isLetGo = false;
    const endless = new ReadableStream({
      pull(controller) {
        chunks++;
        controller.enqueue(chunk);
      },
      cancel() {
        isLetGo = true;
      },
    });
    expect(await post(endless, "application/json")).toMatchObject({ status: 413, body: { code: "body-too-large" } });
    expect(isLetGo).toBe(true);
    expect(chunks).toBeGreaterThan(64);
    expect(chunks).toBeLessThan(80);
  });

  it("A8 188 10 MB are 413, told or not", async () => {
    const large = JSON.stringify({ type: "echo", payload: "x".repeat(10_000_000) });
    expect(await post(large, "application/json")).toMatchObject({ status: 413, body: { code: "body-too-large" } });
    expect(await post(streamOf(large), "application/json")).toMatchObject({
      status: 413,
      body: { code: "body-too-large" },
    });
  });

  it("188 a body of exactly BODY_LIMIT is read, one byte more is not, in pieces or whole", async () => {
    const service = serviceWith(undefined, { env: { BODY_LIMIT: String(2_000) } });
    const padded = (bytes: number) => task + " ".repeat(bytes - task.length);
    expect((await post(padded(2_000), "application/json", service)).status).toBe(202);
    expect((await post(streamOf(padded(1_000), " ".repeat(1_000)), "application/json", service)).status).toBe(202);
    expect((await post(padded(2_001), "application/json", service)).status).toBe(413);
    expect((await post(streamOf(padded(1_000), " ".repeat(1_001)), "application/json", service)).status).toBe(413);
    const understated = { "content-type": "application/json", "content-length": "100" };
    const options = { raw: padded(2_001), headers: understated, fetch: service };
    expect((await call("POST", PATH, undefined, options)).status).toBe(413);
  });
});

describe("methods and paths", () => {
  it("189 an unknown path is 404 not-found", async () => {
    expect(await call("GET", "/tasks/a/b/c")).toMatchObject({ status: 404, body: { code: "not-found" } });
    expect(await call("GET", "/queues/")).toMatchObject({ status: 404, body: { code: "not-found" } });
  });

  it.each([
    ["GET", "/queues/x/pause", "POST, OPTIONS"],
    ["PUT", PATH, "GET, POST, HEAD, OPTIONS"],
    ["DELETE", "/queues/x/pause", "POST, OPTIONS"],
    ["PROPFIND", "/queues/x", "GET, PUT, PATCH, DELETE, HEAD, OPTIONS"],
    ["POST", "/types/a/b", "GET, PUT, PATCH, DELETE, HEAD, OPTIONS"],
  ])("189 %s %s is 405 with Allow", async (method, path, allow) => {
    const { status, headers, body } = await call(method, path);
    expect(status).toBe(405);
    expect(headers.get("allow")).toBe(allow);
    expect(body.code).toBe("method-not-allowed");
  });

  it("189 OPTIONS names the methods, HEAD is GET without its body", async () => {
    const options = await call("OPTIONS", PATH);
    expect(options).toMatchObject({ status: 204, body: null });
    expect(options.headers.get("allow")).toBe("GET, POST, HEAD, OPTIONS");
    const head = await call("HEAD", "/health/live");
    expect(head).toMatchObject({ status: 200, body: null });
    expect(head.headers.get("content-type")).toBe("application/json");
    expect((await call("HEAD", "/nowhere")).status).toBe(404);
  });
});

describe("problems", () => {
  it("187 have the members of RFC 9457 and nothing of the inside", async () => {
    const { headers, body } = await call("GET", "/tasks/nothing");
    expect(headers.get("content-type")).toBe("application/problem+json");
    expect(body).toEqual({
      type: "urn:sluice:problem:task-unknown",
      title: expect.any(String),
      status: 404,
      code: "task-unknown",
      detail: expect.any(String),
      retryable: false,
      requestId: headers.get("x-request-id"),
    });
  });

  it("187 what nobody expected is 500 without its stack, message or name", async () => {
    const service = serviceWith(() => ({
      shard: () => {
        throw new TypeError("secret of the inside");
      },
      random: () => {
        throw new TypeError("secret of the inside");
      },
    }));
    const { status, body } = await call("POST", PATH, { type: "echo", payload: 1 }, { fetch: service });
    expect(status).toBe(500);
    expect(body.code).toBe("internal");
    expect(JSON.stringify(body)).not.toMatch(/secret|TypeError|\.ts|at /);
  });
});

describe("nothing that is sent is ignored", () => {
  it.each<[string, string, readonly string[]]>([
    ["GET", "/tasks/submissions/held.0.06aa9ng0000?wiat=20", ["?wiat"]],
    ["GET", "/tasks/submissions/held.0.06aa9ng0000?wait=1&wait=2", ["?wait"]],
    ["GET", "/tasks/submissions?ids=a&ids=b", ["?ids"]],
    ["GET", "/tasks/submissions?ids=a&batch=b", ["?batch"]],
    ["GET", "/tasks/held.0.06aa9ng0000?foo=1", ["?foo"]],
    ["POST", "/tasks/submissions?priority=9&delay", ["?priority", "?delay"]],
    ["GET", "/queues?limit=2", ["?limit"]],
    ["PUT", "/queues/held?create=1", ["?create"]],
    ["GET", "/types?limit=2", ["?limit"]],
    ["GET", "/types/a/b?__proto__=1", ["?__proto__"]],
    ["GET", "/operator-events?limit=0", ["?limit"]],
    ["GET", "/operator-events?kind=odd", ["?kind"]],
    ["GET", "/operator-events?queue=o%20o", ["?queue"]],
    ["GET", "/tasks/bulk?queue=o%20o", ["?queue"]],
    ["GET", "/schedules?limit=2&Limit=2", ["?Limit"]],
    ["GET", "/schedules/a/preview?count=3", ["?count"]],
    ["DELETE", "/schedules/a?force=1", ["?force"]],
  ])("199 %s %s is 422 and names it", async (method, path, pointers) => {
    const body = method === "POST" || method === "PUT" ? {} : undefined;
    const reply = await call(method, path, body);
    expect(reply).toMatchObject({ status: 422, body: { code: "invalid-request" } });
    expect(reply.body.errors?.map((error) => error.pointer)).toEqual(pointers);
  });

  it("199 an empty query is none, and a probe answers whatever its query", async () => {
    expect((await call("GET", "/queues?")).status).toBe(200);
    for (const probe of ["live", "ready", "startup"])
      expect((await call("GET", `/health/${probe}?nocache=1`)).status).toBe(200);
  });

  it("199 a field for a POST that reads none is 422; no body and an empty object are well", async () => {
    await call("PUT", "/queues/bodiless", {});
    await call("PUT", "/schedules/bodiless", { type: "echo", payload: 1, everySeconds: 3_600 });
    for (const path of ["queues/bodiless/pause", "queues/bodiless/resume"].concat(
      ["run-now", "pause", "resume"].map((verb) => `schedules/bodiless/${verb}`),
    )) {
      const refused = await call("POST", `/${path}`, { until: "tomorrow" });
      expect(refused, path).toMatchObject({ status: 422, body: { errors: [{ pointer: "/until" }] } });
      expect(await call("POST", `/${path}`, undefined, { raw: "x" }), path).toMatchObject({ status: 415 });
      for (const body of [undefined, {}])
        expect([200, 202], path).toContain((await call("POST", `/${path}`, body)).status);
    }
    expect((await call("GET", "/queues/bodiless")).body.paused).toBe(false);
    await call("DELETE", "/schedules/bodiless");
  });
});
