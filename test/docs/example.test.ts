/** examples/notify.ts does what the README says of it, against a real server. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { notify } from "../../examples/notify.ts";
import { ScriptedServer } from "../support/node/scripted-server.ts";
import { failureOf, resultOf, taskBench } from "../support/node/task-bench.ts";

let server: ScriptedServer;
beforeAll(async () => {
  server = await ScriptedServer.start({
    "/hook": (response) => response.writeHead(204).end(),
    "/busy": (response) => response.writeHead(429, { "retry-after": "7" }).end("later"),
    "/broken": (response) => response.writeHead(502).end("broken"),
    "/gone": (response) => response.writeHead(410).end("gone"),
  });
});
afterAll(() => server.stop());

describe("the README's handler", () => {
  it("posts the text under a key that is the same in every attempt", async () => {
    const bench = taskBench(notify);
    const payload = { url: `${server.origin}/hook`, text: "hello" };
    for (const attempt of [1, 2]) expect(resultOf(await bench.run(payload, { attempt }))).toBe('{"status":204}');
    const asked = server.asked("/hook");
    expect(asked.map(({ body }) => JSON.parse(body))).toEqual([{ text: "hello" }, { text: "hello" }]);
    const keys = new Set(asked.map(({ headers }) => headers["idempotency-key"]));
    expect([keys.size, [...keys][0]]).toEqual([1, expect.stringMatching(/^default:default\.0\.[0-9a-v]{11}$/)]);
  });

  it("comes again when it is told to, tries again what is broken, and gives up what is gone", async () => {
    const run = (path: string) => taskBench(notify).run({ url: server.origin + path, text: "" });
    expect(await run("/busy")).toMatchObject({ kind: "snoozed", delayMs: 7_000 });
    expect(failureOf(await run("/broken"))).toMatchObject({ message: "the hook answered 502", retryable: true });
    expect(failureOf(await run("/gone"))).toMatchObject({ message: "the hook answered 410", retryable: false });
  });
});
