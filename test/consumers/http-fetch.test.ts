import { createServer } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { encodeResult } from "../../consumers/encode-result.ts";
import { httpFetch } from "../../consumers/handlers/http-fetch.ts";
import { MAX_RESULT_BYTES } from "../../core/bytes.ts";
import { ScriptedServer } from "../support/node/scripted-server.ts";
import { failureOf, resultOf, taskBench } from "../support/node/task-bench.ts";

const MIB = 1024 * 1024;
let server: ScriptedServer;
const utf8 = "text/plain; charset=utf-8";
const png = Buffer.from("89504e470d0a1a0a00ff", "hex");

beforeAll(async () => {
  server = await ScriptedServer.start({
    "/hello": (response) =>
      response.writeHead(200, { "content-type": utf8, etag: '"e1"', "x-secret": "s" }).end("hello, wörld"),
    "/status": (response, { path }) => response.writeHead(Number(path.split("?")[1])).end("as asked"),
    "/echo": (response, { body }) => response.writeHead(201, { "content-type": utf8 }).end(body),
    "/empty": (response) => response.writeHead(204).end(),
    "/png": (response) => response.writeHead(200, { "content-type": "image/png" }).end(png),
    "/not-utf8": (response) => response.writeHead(200, { "content-type": utf8 }).end(Buffer.from([0x68, 0xff, 0xfe])),
    "/latin1": (response) =>
      response.writeHead(200, { "content-type": "text/plain; charset=iso-8859-1" }).end(Buffer.from("é", "latin1")),
    "/huge": (response) => response.writeHead(200, { "content-type": utf8 }).end("x".repeat(3 * MIB)),
    "/huge-png": (response) => response.writeHead(200, { "content-type": "image/png" }).end(Buffer.alloc(3 * MIB)),
    "/control": (response) => response.writeHead(200, { "content-type": utf8 }).end("\u0001".repeat(MIB)),
    "/emoji": (response) => response.writeHead(200, { "content-type": utf8 }).end("😀".repeat(10)),
    "/endless": (response) => {
      response.writeHead(200, { "content-type": utf8 });
      const more = () => {
        while (!response.destroyed && response.write("y".repeat(64 * 1024)));
      };
      response.on("drain", more);
      more();
    },
    "/slow-head": () => {},
    "/slow-body": (response) => {
      response.writeHead(200, { "content-type": utf8 });
      response.write("begun");
    },
    "/short": (response) => {
      response.writeHead(200, { "content-type": utf8, "content-length": "100" });
      response.write("half", () => response.destroy());
    },
    "/reset": (response) => {
      response.socket?.resetAndDestroy();
    },
  });
});
afterAll(() => server.stop());

const get = (path: string, more: object = {}) => taskBench(httpFetch).run({ url: server.origin + path, ...more });
const read = async (path: string, more: object = {}) => JSON.parse(resultOf(await get(path, more)));

describe("B2 an answer", () => {
  test("is a result: status, the headers that were chosen, and the body as text", async () => {
    expect(await read("/hello")).toEqual({
      url: `${server.origin}/hello`,
      status: 200,
      headers: { "content-type": utf8, etag: '"e1"' },
      redirects: [],
      body: "hello, wörld",
      bodyEncoding: "text",
      bodyBytes: 13,
      truncated: false,
    });
    expect((await read("/hello", { responseHeaders: ["X-Secret"] })).headers).toEqual({ "x-secret": "s" });
  });

  test("is a success whatever its status, until failOn says otherwise", async () => {
    for (const status of [404, 429, 500]) expect(await read(`/status?${status}`)).toMatchObject({ status });
    expect(await read("/status?404", { failOn: "5xx" })).toMatchObject({ status: 404 });
    const failure = async (status: number, failOn: string) => failureOf(await get(`/status?${status}`, { failOn }));
    expect(await failure(503, "5xx")).toMatchObject({ message: "answered 503", retryable: true });
    expect(await failure(503, "4xx")).toMatchObject({ retryable: true });
    expect(await failure(404, "4xx")).toMatchObject({ message: "answered 404", retryable: false });
    expect(await failure(429, "4xx")).toMatchObject({ retryable: true });
  });

  test("without a body has an empty one", async () => {
    expect(await read("/empty")).toMatchObject({ status: 204, body: "", bodyBytes: 0, truncated: false });
    expect(await read("/hello", { method: "HEAD" })).toMatchObject({ status: 200, body: "" });
  });
});

describe("the request", () => {
  test("goes out with its method, headers and body", async () => {
    const sent = { method: "POST", headers: { "Content-Type": "application/json", "X-Mine": "1" }, body: '{"a":"é"}' };
    expect(await read("/echo?sent", sent)).toMatchObject({ status: 201, body: '{"a":"é"}' });
    const [seen] = server.asked("/echo?sent");
    expect(seen).toMatchObject({ method: "POST", headers: { "content-type": "application/json", "x-mine": "1" } });
  });

  test("carries the task's idempotency key where it is asked for, the same in each attempt", async () => {
    const bench = taskBench(httpFetch);
    for (const attempt of [1, 2])
      await bench.run({ url: `${server.origin}/echo?key`, method: "POST", idempotencyHeader: true }, { attempt });
    const keys = server.asked("/echo?key").map(({ headers }) => headers["idempotency-key"]);
    expect(keys[0]).toMatch(/^default:default\.0\./);
    expect(keys).toEqual([keys[0], keys[0]]);
  });

  test.each([
    ["url", { url: "ftp://example.com/" }],
    ["url", { url: "/relative" }],
    ["url", { url: "http://user:pass@example.com/" }],
    ["url", { url: "javascript:alert(1)" }],
    ["url", {}],
    ["method", { url: "http://a/", method: "TRACE" }],
    ["headers", { url: "http://a/", headers: { "bad name": "x" } }],
    ["headers", { url: "http://a/", headers: { x: "a\r\nHost: b" } }],
    ["headers", { url: "http://a/", headers: { Host: "b" } }],
    ["body", { url: "http://a/", body: "x" }],
    ["maxBytes", { url: "http://a/", maxBytes: MIB + 1 }],
    ["maxRedirects", { url: "http://a/", maxRedirects: 6 }],
  ])("%s is refused: %o", (field, payload) => {
    expect(httpFetch.payload.safeParse(payload).error?.issues[0]?.path[0]).toBe(field);
  });
});

describe("the body", () => {
  test("is base64 where its type is not text, or its bytes are not what its type says", async () => {
    expect(await read("/png")).toMatchObject({ body: png.toString("base64"), bodyEncoding: "base64", bodyBytes: 10 });
    expect(await read("/not-utf8")).toMatchObject({ body: "aP/+", bodyEncoding: "base64" });
    expect(await read("/latin1")).toMatchObject({ body: "é", bodyEncoding: "text", bodyBytes: 1 });
  });

  test("is cut at maxBytes, between characters, and says so", async () => {
    expect(await read("/hello", { maxBytes: 5 })).toMatchObject({ body: "hello", bodyBytes: 5, truncated: true });
    expect(await read("/hello", { maxBytes: 13 })).toMatchObject({ truncated: false });
    expect(await read("/emoji", { maxBytes: 6 })).toMatchObject({ body: "😀", bodyEncoding: "text", truncated: true });
    expect(await read("/hello", { maxBytes: 0 })).toMatchObject({ body: "", truncated: true });
  });

  test.each(["/huge", "/huge-png", "/control", "/endless"])(
    "of %s is cut so that the result fits 1 MiB",
    async (path) => {
      const outcome = resultOf(await get(path));
      expect(outcome.length).toBeGreaterThan(MAX_RESULT_BYTES - 300);
      expect(encodeResult(JSON.parse(outcome))).toMatchObject({ ok: true });
      expect(JSON.parse(outcome)).toMatchObject({ truncated: true });
    },
  );
});

describe("no answer is a failure that is tried again", () => {
  test("a connection that is reset or refused", async () => {
    const reset = failureOf(await get("/reset"));
    expect(reset).toMatchObject({ code: "handler-error", retryable: true });
    expect(reset.message).toContain(`no answer from ${server.origin}`);
    const port = await freePort();
    const refused = failureOf(await taskBench(httpFetch).run({ url: `http://127.0.0.1:${port}/` }));
    expect(refused).toMatchObject({ retryable: true, message: expect.stringContaining(String(port)) });
  });

  test("a body with fewer bytes than were announced", async () => {
    const failure = failureOf(await get("/short"));
    expect(failure).toMatchObject({ code: "handler-error", retryable: true });
    expect(failure.message).toContain("broke off");
  });

  test.each(["/slow-head", "/slow-body"])("%s, within the request's own timeoutMs", async (path) => {
    expect(failureOf(await get(path, { timeoutMs: 50 }))).toMatchObject({
      code: "handler-error",
      class: "TimeoutError",
      retryable: true,
    });
  });

  test("a stop ends it at once, whichever part it waits for", async () => {
    for (const path of ["/slow-head", "/slow-body"]) {
      const bench = taskBench(httpFetch);
      const asked = server.asked(path).length;
      const task = bench.start({ url: server.origin + path });
      await expect.poll(() => server.asked(path).length).toBe(asked + 1);
      task.stop("cancelled");
      expect(await task.outcome).toMatchObject({ kind: "cancelled" });
    }
  });
});

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve));
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
