import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { nextTarget } from "../../consumers/handlers/http-fetch/follow-redirects.ts";
import { httpFetch } from "../../consumers/handlers/http-fetch.ts";
import { type Script, ScriptedServer } from "../support/node/scripted-server.ts";
import { failureOf, resultOf, taskBench } from "../support/node/task-bench.ts";

let server: ScriptedServer;
let other: ScriptedServer;

/** `/to?{status}&{location}` redirects there. */
const redirect: Script = (response, { path }) => {
  const [status, ...location] = (path.split("?")[1] ?? "").split("&");
  response.writeHead(Number(status), { location: decodeURIComponent(location.join("&")) }).end("moved");
};
const to = (status: number, location: string) => `/to?${status}&${encodeURIComponent(location)}`;
const end: Script = (response) => response.writeHead(200, { "content-type": "text/plain" }).end("here");

beforeAll(async () => {
  [server, other] = await Promise.all([
    ScriptedServer.start({
      "/to": redirect,
      "/end": end,
      "/loop": (response) => response.writeHead(302, { location: "/loop" }).end(),
      "/countdown": (response, { path }) => {
        const left = Number(path.split("?")[1]);
        if (left > 0) response.writeHead(302, { location: `/countdown?${left - 1}` }).end();
        else end(response, { method: "", path, headers: {}, body: "" });
      },
      "/far": (response) => response.writeHead(302, { location: `/${"x".repeat(9_000)}` }).end(),
      "/nowhere": (response) => response.writeHead(302, { "content-type": "text/plain" }).end("no location"),
    }),
    ScriptedServer.start({ "/end": end }),
  ]);
});
afterAll(() => Promise.all([server.stop(), other.stop()]));

const get = (path: string, more: object = {}) => taskBench(httpFetch).run({ url: server.origin + path, ...more });
const read = async (path: string, more: object = {}) => JSON.parse(resultOf(await get(path, more)));

describe("redirects", () => {
  test("are followed, and the result says from where to where", async () => {
    expect(await read(to(302, "/end?a"))).toMatchObject({
      status: 200,
      body: "here",
      url: `${server.origin}/end?a`,
      redirects: [server.origin + to(302, "/end?a")],
    });
  });

  test("at most five: the sixth, or a loop, is final", async () => {
    expect(await read("/countdown?5")).toMatchObject({ status: 200, body: "here" });
    for (const path of ["/countdown?6", "/loop"])
      expect(failureOf(await get(path))).toMatchObject({
        retryable: false,
        message: expect.stringContaining("5 redirects"),
      });
    expect(server.asked("/loop")).toHaveLength(6);
    expect(failureOf(await get(to(302, "/end"), { maxRedirects: 0 }))).toMatchObject({ retryable: false });
  });

  test("without a Location, or of another 3xx, are answers", async () => {
    expect(await read("/nowhere")).toMatchObject({ status: 302, body: "no location" });
    expect(await read(to(300, "/end"))).toMatchObject({ status: 300, headers: { location: "/end" } });
  });

  test.each(["file:///etc/passwd", "http://user:pass@127.0.0.1/", "http://[bad"])(
    "to %s are final failures",
    async (location) => {
      expect(failureOf(await get(to(302, location)))).toMatchObject({ code: "handler-error", retryable: false });
    },
  );

  test("to a URL of more than 8 KiB are final failures", async () => {
    const { retryable, message } = failureOf(await get("/far"));
    expect(retryable).toBe(false);
    expect(message.length).toBeLessThan(300);
  });

  test.each([
    [301, "POST", "GET"],
    [302, "POST", "GET"],
    [303, "POST", "GET"],
    [303, "PUT", "GET"],
    [301, "PUT", "PUT"],
    [302, "DELETE", "DELETE"],
    [307, "POST", "POST"],
    [308, "PUT", "PUT"],
    [303, "HEAD", "HEAD"],
  ])("%s turns %s into %s, and the body goes with it", async (status, method, next) => {
    const name = `/end?${status}-${method}`;
    const body = method === "HEAD" ? {} : { body: "data" };
    const headers = { "content-type": "text/x-mine", "x-mine": "1" };
    await get(to(status, name), { method, headers, ...body });
    const [seen] = server.asked(name);
    expect(seen).toMatchObject({ method: next, headers: { "x-mine": "1" } });
    const isKept = next === method;
    expect(seen?.body).toBe(isKept && method !== "HEAD" ? "data" : "");
    expect(seen?.headers["content-type"]).toBe(isKept ? "text/x-mine" : undefined);
  });

  test("credentials stay with their origin; other headers go along", async () => {
    const headers = { authorization: "Bearer x", cookie: "a=1", "x-mine": "1" };
    await get(to(302, "/end?same"), { headers });
    expect(server.asked("/end?same")[0]?.headers).toMatchObject(headers);
    await get(to(302, `${other.origin}/end?other`), { headers });
    const [seen] = other.asked("/end?other");
    expect(seen?.headers).toMatchObject({ "x-mine": "1" });
    expect(seen?.headers).not.toHaveProperty("authorization");
    expect(seen?.headers).not.toHaveProperty("cookie");
  });

  test("a fragment is kept where the new URL has none", () => {
    const from = { url: new URL("http://a/1#top"), method: "GET", headers: new Headers(), body: null };
    expect(nextTarget(from, 302, "/2").url.href).toBe("http://a/2#top");
    expect(nextTarget(from, 302, "/2#end").url.href).toBe("http://a/2#end");
  });
});
