/** Many tasks of many kinds through the service as shipped: every one is run once and every result is right. */
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { fanOut } from "../../durable-objects/stubs.ts";
import { Client, type Ended } from "../support/node/client.ts";
import { type Service, startService } from "../support/node/service.ts";
import { startTargetServer, type TargetServer } from "../support/node/target-server.ts";

let service: Service;
let target: TargetServer;
let client: Client;
beforeAll(async () => {
  service = await startService({ env: { LOG_LEVEL: "warn" } });
  target = await startTargetServer();
  client = new Client(service.url);
});
afterAll(async () => {
  await service?.[Symbol.asyncDispose]();
  await target.stop();
});

/** To run and to read them costs 5 ms each. */
const MIXED = inject("full") ? 2_000 : 800;
const QUEUES = Array.from({ length: 8 }, (_, i) => `mixed-${i}`);

interface Mixed {
  readonly type: string;
  readonly payload: object;
  readonly queue: string;
  /** What the result must have in it. */
  readonly result: unknown;
  /** Of the target server, where the task asks it. */
  readonly path: string | null;
}

function factorial(n: number): string {
  let product = 1n;
  for (let i = 2n; i <= BigInt(n); i++) product *= i;
  return product.toString();
}

/** Five http-fetch to one factorial, over all queues. */
function mixed(i: number): Mixed {
  const queue = QUEUES[i % QUEUES.length] ?? "";
  if (i % 6 === 5) {
    const n = i % 500;
    return { type: "factorial", payload: { n }, queue, result: factorial(n), path: null };
  }
  const [path, result] = (
    [
      [`/body/${100 + (i % 300)}?${i}`, { status: 200, body: "x".repeat(100 + (i % 300)) }],
      [`/status/404?${i}`, { status: 404, body: "status 404" }],
      [`/redirect/2?${i}`, { status: 200, body: "arrived" }],
      [`/plain/${i}`, { status: 200, body: `hello from /plain/${i}` }],
      [`/delay/20?${i}`, { status: 200, body: "after 20 ms" }],
    ] as const
  )[i % 5] ?? ["", {}];
  return { type: "http-fetch", payload: { url: target.url + path }, queue, result, path };
}

/** Each of one queue. */
function batchesOf(tasks: readonly Mixed[], size: number): Mixed[][] {
  const batches: Mixed[][] = [];
  for (const ofQueue of Map.groupBy(tasks, ({ queue }) => queue).values())
    for (let at = 0; at < ofQueue.length; at += size) batches.push(ofQueue.slice(at, at + size));
  return batches;
}

describe("a service that was never used", () => {
  it("C3 101 200 first requests at once on a fresh state folder all succeed", async () => {
    const requests = Array.from({ length: 200 }, (_, i) => client.submit({ type: "echo", payload: i }));
    const ids = await Promise.all(requests);
    const results = await fanOut(ids, async (id) => {
      await client.ended(id);
      return (await client.result(id)).result;
    });
    expect(results).toEqual(ids.map((_, i) => i));
  });
});

describe("load", () => {
  it("B2 mixed tasks on eight queues, 5 http-fetch to 1 factorial: every result is right, nothing ran twice", async () => {
    for (const queue of QUEUES) await client.putQueue(queue);
    const tasks = Array.from({ length: MIXED }, (_, i) => mixed(i));
    const batches = batchesOf(tasks, 50);
    const accepted = await fanOut(batches, (batch) =>
      client.submitAll(batch.map(({ type, payload, queue }) => ({ type, payload, queue }))),
    );
    for (const queue of QUEUES) await client.settled(queue);

    const ids = accepted.flatMap((batch) => batch.ids);
    expect(new Set(ids).size).toBe(MIXED);
    const results = await fanOut(ids, (id) => client.result(id));
    const expected = batches.flat().map(({ result }) => ({ status: "SUCCEEDED", attempts: 1, result }));
    for (const [i, { status, result, attempts }] of results.entries())
      expect({ status, attempts, result }).toMatchObject(expected[i] ?? {});
    for (const { path } of tasks) if (path !== null) expect([path, target.asked(path)]).toEqual([path, 1]);
  });

  it("A2 123 100 requests all succeed, and 600 tasks are spread over two shards within 20 %", async () => {
    await client.putQueue("finance", { shards: 2 });
    const payload = { amount: "1000.00", rate: 0.05, years: 10 };
    const submit = (priority: string) =>
      client.submit({ type: "compound-interest", payload, queue: "finance", priority });
    const ids = await fanOut(
      Array.from({ length: 600 }, (_, i) => (i % 2 ? "high" : "normal")),
      submit,
    );
    await client.settled("finance");
    const shards = Map.groupBy(ids, (id) => id.split(".")[1]);
    for (const shard of shards.values()) {
      expect(shard.length).toBeGreaterThan(240);
      expect(shard.length).toBeLessThan(360);
    }
    const some: Ended[] = await fanOut(ids.slice(0, 100), (id) => client.result(id));
    expect(new Set(some.map(({ status }) => status))).toEqual(new Set(["SUCCEEDED"]));
    expect(new Set(some.map(({ result }) => JSON.stringify(result))).size).toBe(1);
  });
});
