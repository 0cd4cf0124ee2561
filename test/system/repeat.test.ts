/** What is safe to repeat, over HTTP on the whole service: at once, over a SIGKILL, over changed shards, over lost answers. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TaskId } from "../../core/ids.ts";
import { Client, type Reply } from "../support/node/client.ts";
import type { Service } from "../support/node/service.ts";
import { setFaults, startFaulty } from "../support/node/steer.ts";

let service: Service;
let client: Client;
beforeAll(async () => {
  service = await startFaulty();
  client = new Client(service.url);
});
afterAll(() => service?.[Symbol.asyncDispose]());

interface Accepted {
  readonly id: TaskId;
  readonly code?: string;
}

function submit(queue: string, key: string, more: object = {}): Promise<Reply<Accepted>> {
  const body = { type: "echo", payload: { a: 1 }, queue, ...more };
  return client.call<Accepted>("POST", "/tasks/submissions", body, { "idempotency-key": key });
}

async function paused(queue: string, settings: object = {}): Promise<void> {
  await client.putQueue(queue, settings);
  await client.pause(queue);
}

const times = <T>(count: number, work: () => Promise<T>) => Promise.all(Array.from({ length: count }, work));
const isReplay = ({ headers }: Reply<unknown>) => headers.get("idempotency-replayed") === "true";
const idsOf = (replies: readonly Reply<Accepted>[]) => new Set(replies.map(({ body }) => body.id));

describe("one Idempotency-Key", () => {
  it("111 202 200 submissions at once are one task, and every one is told of it", async () => {
    await paused("at-once", { keyShards: 4 });
    const replies = await times(200, () => submit("at-once", "key"));
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([202]));
    expect(idsOf(replies).size).toBe(1);
    expect(replies.filter(isReplay)).toHaveLength(199);
    expect(await client.counts("at-once")).toMatchObject({ depth: 1 });
  });

  it("202 206 is of one task over shards that are raised and lowered", async () => {
    await paused("reshard", { shards: 1, keyShards: 8 });
    const keys = Array.from({ length: 40 }, (_, i) => `key-${i}`);
    const first = await Promise.all(keys.map((key) => submit("reshard", key)));
    const shards = new Set([...idsOf(first)].map((id) => id.split(".")[1]));
    expect(shards.size).toBeGreaterThan(4);
    for (const count of [16, 3, 64, 1]) {
      await client.patchQueue("reshard", { shards: count });
      const again = await Promise.all(keys.map((key) => submit("reshard", key)));
      expect(again.map(({ body }) => body)).toEqual(first.map(({ body }) => body));
    }
    expect(await client.counts("reshard")).toMatchObject({ depth: 40 });
  });

  it("204 a lost answer is asked for again by the door; two are, by the client, and the task is one", async () => {
    await paused("lossy");
    await submit("lossy", "before");
    await setFaults(client, "lossy", { lose: { submit: 1 } });
    expect(await submit("lossy", "once")).toMatchObject({ status: 202 });
    await setFaults(client, "lossy", { lose: { submit: 2 } });
    const lost = await submit("lossy", "twice");
    expect(lost).toMatchObject({ status: 503, body: { code: "unavailable" } });
    const told = await submit("lossy", "twice");
    expect([told.status, isReplay(told)]).toEqual([202, true]);
    expect(await client.counts("lossy")).toMatchObject({ depth: 3 });
  });

  it("203 with another body is 422, while the task waits and after it has ended", async () => {
    await client.putQueue("bodies");
    const { body } = await submit("bodies", "key");
    expect(await submit("bodies", "key", { priority: 9 })).toMatchObject({ status: 422 });
    await client.ended(body.id);
    await client.settled("bodies");
    expect(await submit("bodies", "key", { priority: 9 })).toMatchObject({
      status: 422,
      body: { code: "idempotency-key-reused" },
    });
    expect(await submit("bodies", "key")).toMatchObject({ status: 202, body });
  });
});

it("151 202 over a SIGKILL in the midst of 200 submissions of each of ten keys, and a start: one task a key", async () => {
  await using own = await startFaulty();
  client = new Client(own.url);
  await paused("killed", { keyShards: 4 });
  const keys = Array.from({ length: 10 }, (_, i) => `key-${i}`);
  const told = new Map<string, TaskId>();
  let arrived = 0;
  const half = Promise.withResolvers<void>();
  const requests = keys.flatMap((key) =>
    Array.from({ length: 20 }, async () => {
      const { status, body } = await submit("killed", key);
      if (status === 202) told.set(key, body.id);
      if (++arrived === 60) half.resolve();
    }),
  );
  const all = Promise.allSettled(requests);
  await half.promise;
  await own.kill();
  await all;
  await own.restart();
  expect(told.size).toBeGreaterThan(0);
  for (const key of keys) {
    const again = await times(20, () => submit("killed", key));
    expect(idsOf(again).size).toBe(1);
    const before = told.get(key);
    if (before) expect(again[0]?.body.id).toBe(before);
  }
  expect(await client.counts("killed")).toMatchObject({ depth: 10 });
});
