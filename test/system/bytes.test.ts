/** Large, deep and awkward payloads and results: each is its own task's affair, and no neighbour is late or fails. */
import { describe, expect, inject, it } from "vitest";
import { fanOut } from "../../durable-objects/stubs.ts";
import type { NewTask } from "../support/node/client.ts";
import { hostService } from "../support/node/host-service.ts";

const { service, client } = await hostService();

const KIB = 1_024;
const times = <T>(count: number, make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));

function nested(depth: number): unknown {
  let value: unknown = [];
  for (let i = 1; i < depth; i++) value = [value];
  return value;
}

/** What JSON, SQL and RPC have to give back unchanged. The texts are as long as a payload may be. */
const AWKWARD: readonly (readonly [string, unknown])[] = [
  ["quotes", '"'.repeat(128 * KIB - 2)],
  ["backslashes", "\\".repeat(128 * KIB - 2)],
  ["control characters", "\u0000\u0001\u001f".repeat(14_000)],
  ["four bytes a character", "\u{1f9ea}".repeat(64 * KIB - 1)],
  ["SQL and JSON", '\'; DROP TABLE task; -- ["$"] {"a":1} %s'],
  ["depth 100", nested(100)],
  ["odd keys", { "": 0, __proto__x: 1, "a.b": 2, "$[0]": 3, 'qu"ote': 4 }],
  ["numbers", [0, -0.5, 1e-300, 9_007_199_254_740_991, -9_007_199_254_740_991]],
];

it("188 a client that sends all of a body before it reads gets its 413", async () => {
  const headers = { "content-type": "application/json" };
  for (const bytes of [9_000_000, 10_000_000, 40_000_000]) {
    const body = new Uint8Array(bytes).fill(0x20);
    const answer = await fetch(`${service.url}/tasks/submissions`, { method: "POST", headers, body });
    expect([answer.status, await answer.json()]).toMatchObject([413, { code: "body-too-large" }]);
  }
});

describe("payloads", () => {
  it("155 of quotes, of control characters, of depth 100 come back as they went, all at once and beside neighbours", async () => {
    await client.putQueue("awkward");
    const tasks = times(
      80,
      (i): NewTask => ({ type: "echo", payload: i % 2 ? i : AWKWARD[(i / 2) % AWKWARD.length]?.[1], queue: "awkward" }),
    );
    const ids = await fanOut(tasks, (task) => client.submit(task));
    await client.settled("awkward");
    const results = await fanOut(ids, (id) => client.result(id));
    for (const [i, { status, result, attempts }] of results.entries()) {
      const name = i % 2 ? "a neighbour" : AWKWARD[(i / 2) % AWKWARD.length]?.[0];
      expect([name, status, attempts]).toEqual([name, "SUCCEEDED", 1]);
      expect(JSON.stringify(result) === JSON.stringify(tasks[i]?.payload), name).toBe(true);
    }
  });

  it("153 of depth 101, or half a surrogate, or beyond safe integers are refused with their place; a batch tells which", async () => {
    const tasks = [nested(101), "\ud800", "fine", { a: [1, 2 ** 53] }].map((payload) => ({
      type: "echo",
      payload,
    }));
    type Each = { results: { id?: string; problem?: { code: string; errors: { pointer: string }[] } }[] };
    const each = await client.expect<Each>(202, "POST", "/tasks/submissions", { tasks, atomic: false });
    expect(each.results.map(({ problem }) => problem?.code)).toEqual([
      "payload-invalid",
      "payload-invalid",
      undefined,
      "payload-invalid",
    ]);
    expect(each.results[3]?.problem?.errors[0]?.pointer).toBe("/tasks/3/payload/a/1");
    expect((await client.ended(each.results[2]?.id ?? "")).status).toBe("SUCCEEDED");
  });

  it("152 155 100 concurrent submissions with one over the limit: that one is 413, the others run at their first attempt", async () => {
    await client.putQueue("large");
    const payloads = times(100, (i) => "y".repeat(i === 42 ? 256 * KIB - 1 : 200 * KIB));
    const replies = await Promise.all(
      payloads.map((payload) =>
        client.call<{ id: string; code: string }>("POST", "/tasks/submissions", {
          type: "echo",
          payload,
          queue: "large",
        }),
      ),
    );
    for (const [i, { status, body }] of replies.entries())
      expect([i, status, body.code]).toEqual(i === 42 ? [i, 413, "payload-too-large"] : [i, 202, undefined]);
    await client.settled("large");
    const ids = replies.flatMap(({ status, body }) => (status === 202 ? [body.id] : []));
    const tasks = await client.tasks(ids);
    expect(new Set(tasks.map(({ status, attempts }) => `${status} ${attempts.length}`))).toEqual(
      new Set(["SUCCEEDED 1"]),
    );
  });
});

describe("results", () => {
  it("155 those of 1 MiB reach D1 whole, those of quotes too; no neighbour loses an attempt", async () => {
    await client.putQueue("results");
    const big = times(
      inject("full") ? 100 : 30,
      (i): NewTask => ({
        type: "big-result",
        payload: { bytes: 1_024 * KIB, of: i % 3 ? "z" : '"' },
        queue: "results",
      }),
    );
    const small = big.map((_, i): NewTask => ({ type: "echo", payload: i, queue: "results" }));
    const { ids } = await client.submitAll(big.flatMap((task, i) => [task, ...small.slice(i, i + 1)]));
    await client.settled("results", 110_000);
    await fanOut(ids, async (id) => {
      const { status, result, attempts } = await client.result(id);
      const i = ids.indexOf(id);
      const bytes = JSON.stringify(result).length;
      expect([i, status, attempts]).toEqual([i, "SUCCEEDED", 1]);
      if (i % 2) expect(result).toBe((i - 1) / 2);
      else expect([i, bytes]).toEqual([i, 1_024 * KIB]);
    });
  });

  it("139 153 one that is too large, or too deep, fails its own task for good, and its neighbours end well", async () => {
    await client.putQueue("unfit");
    const tasks: NewTask[] = [
      { type: "big-result", payload: { bytes: 1_024 * KIB + 1 }, queue: "unfit" },
      { type: "deep-result", payload: { depth: 101 }, queue: "unfit" },
      ...times(20, (i): NewTask => ({ type: "deep-result", payload: { depth: 100 - i }, queue: "unfit" })),
    ];
    const { ids } = await client.submitAll(tasks);
    await client.settled("unfit");
    const [large, deep, ...neighbours] = await fanOut(ids, (id) => client.result(id));
    expect(large).toMatchObject({ status: "FAILED", attempts: 1, error: { code: "result-too-large" } });
    expect(deep).toMatchObject({
      status: "FAILED",
      attempts: 1,
      error: { code: "handler-error", message: expect.stringContaining("nested deeper") },
    });
    expect(new Set(neighbours.map(({ status, attempts }) => `${status} ${attempts}`))).toEqual(
      new Set(["SUCCEEDED 1"]),
    );
  });
});
