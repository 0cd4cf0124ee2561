/** What is safe to repeat, over HTTP on the whole service: at once, over a SIGKILL, over changed shards, over lost answers. */
import { describe, expect, it } from "vitest";
import type { TaskId } from "../../core/ids.ts";
import type { Reply } from "../support/node/client.ts";
import { Effects } from "../support/node/effects.ts";
import { hostService } from "../support/node/host-service.ts";
import { setFaults } from "../support/node/steer.ts";

const { service, client } = await hostService();

interface Accepted {
  readonly id: TaskId;
  readonly code?: string;
}

interface Told {
  readonly id: TaskId;
  readonly duplicate?: boolean;
  readonly taskId?: TaskId;
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

describe("a unique task", () => {
  const task = { type: "echo", payload: 1 };
  const unique = (within: string) => ({ by: "key", key: "k", within });

  it("205 of 200 submissions at once one makes it, the others are told of it; so too with reject, which names it", async () => {
    await paused("unique", { shards: 4, keyShards: 4 });
    const one = { ...task, queue: "unique", unique: unique("running") };
    const replies = await times(200, () => client.call<Told>("POST", "/tasks/submissions", one));
    expect(new Set(replies.map(({ status, body }) => `${status} ${body.id}`)).size).toBe(1);
    expect(replies.filter(({ body }) => body.duplicate === true)).toHaveLength(199);
    const strict = { ...one, unique: { ...one.unique, onConflict: "reject" } };
    const refused = await times(50, () => client.call<Told>("POST", "/tasks/submissions", strict));
    expect(new Set(refused.map(({ status, body }) => `${status} ${body.taskId}`))).toEqual(
      new Set([`409 ${replies[0]?.body.id}`]),
    );
    expect(await client.counts("unique")).toMatchObject({ depth: 1 });
  });

  it("205 within queued another may wait while one runs; within running it is free when that has ended", async () => {
    await using effects = await Effects.start();
    const effect = { type: "effect", payload: { url: effects.url } };
    for (const within of ["queued", "running"]) {
      const queue = `unique-${within}`;
      await client.putQueue(queue);
      effects.hold(1);
      const one = { ...effect, queue, unique: unique(within) };
      const first = await client.submit(one);
      await client.reaches(first, "RUNNING");
      const second = await client.submit(one);
      expect(second === first).toBe(within === "running");
      effects.release();
      await client.ended(first);
      await client.ended(second);
      expect(await client.submit(one)).not.toBe(first);
      await client.settled(queue);
    }
  });

  it("202 221 a batch that was refused in part goes on under its key, and a changed payload frees its key", async () => {
    await paused("in-part", { depthLimit: 2 });
    const unique = { by: "payload", within: "running" };
    const tasks = ["A", "B", "C"].map((payload) => ({ type: "echo", queue: "in-part", payload, unique }));
    type Batch = { accepted: number; made: number; results: (Told & { problem?: { code: string } })[] };
    const send = () =>
      client.call<Batch>("POST", "/tasks/submissions", { atomic: false, tasks }, { "idempotency-key": "in-part" });
    const first = await send();
    expect(first.body).toMatchObject({ accepted: 2, made: 2, results: [{}, {}, { problem: { code: "queue-full" } }] });
    await client.patchQueue("in-part", { depthLimit: 9 });
    const second = await send();
    expect([second.body.accepted, isReplay(second)]).toEqual([3, false]);
    expect(second.body.results.slice(0, 2)).toEqual(first.body.results.slice(0, 2));
    const third = await send();
    expect([third.body, isReplay(third)]).toEqual([second.body, true]);
    const changed = second.body.results[0]?.id ?? "";
    await client.call("PATCH", `/tasks/submissions/${changed}`, { payload: "Z" });
    const again = await client.call<Told>("POST", "/tasks/submissions", tasks[0]);
    expect([again.status, again.body.duplicate, again.body.id === changed]).toEqual([202, undefined, false]);
    expect(await client.counts("in-part")).toMatchObject({ depth: 4 });
  });

  it("208 209 a burst of debounced submissions runs once, with the last payload; throttled ones once, with the first", async () => {
    await client.putQueue("paced");
    const burst = async (more: object) => {
      const ids = new Set<string>();
      for (let n = 0; n < 20; n++) {
        const told = { type: "echo", payload: n, queue: "paced", unique: { by: "key", key: "k" }, ...more };
        const { status, body } = await client.call<Told>("POST", "/tasks/submissions", told);
        // One that is told of a task that has ended by then is 200.
        expect([200, 202]).toContain(status);
        expect(body.duplicate ?? false).toBe(n > 0);
        ids.add(body.id);
      }
      expect(ids.size).toBe(1);
      const [id = ""] = ids;
      expect(await client.ended(id)).toMatchObject({ status: "SUCCEEDED", attempts: [{ outcome: "succeeded" }] });
      return (await client.result(id)).result;
    };
    expect(await burst({ debounceSeconds: 3 })).toBe(19);
    expect(await burst({ throttleSeconds: 60 })).toBe(0);
    await client.pause("paced");
    const one = {
      type: "echo",
      queue: "paced",
      unique: { by: "key", key: "r", within: "queued", onConflict: "replace" },
    };
    const payloads = Array.from({ length: 100 }, (_, n) => n);
    const ids = await Promise.all(payloads.map((payload) => client.submit({ ...one, payload })));
    expect(new Set(ids).size).toBe(1);
    expect(await client.counts("paced")).toMatchObject({ depth: 1 });
    await client.submit({ ...one, payload: "last" });
    await client.resume("paced");
    await client.ended(ids[0] ?? "");
    expect((await client.result(ids[0] ?? "")).result).toBe("last");
  });

  it("206 is one over shards that are raised and lowered", async () => {
    await paused("unique-reshard", { shards: 1, keyShards: 8 });
    const one = { ...task, queue: "unique-reshard", unique: { by: "payload", within: "queued" } };
    const first = await client.submit(one);
    for (const shards of [16, 2, 1]) {
      await client.patchQueue("unique-reshard", { shards });
      expect(await client.submit(one)).toBe(first);
    }
  });
});

it("151 202 205 over a SIGKILL in the midst of 20 submissions of each of ten keys, and a start: one task a key, unique ones too", async () => {
  await paused("killed", { keyShards: 4 });
  const keys = Array.from({ length: 10 }, (_, i) => `key-${i}`);
  const told = new Map<string, TaskId>();
  const alone = { type: "echo", payload: 2, queue: "killed", unique: { by: "payload", within: "running" } };
  const before = await client.submit(alone);
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
  await service.kill();
  await all;
  await service.restart();
  expect(await client.submit(alone)).toBe(before);
  expect(told.size).toBeGreaterThan(0);
  for (const key of keys) {
    const again = await times(20, () => submit("killed", key));
    expect(idsOf(again).size).toBe(1);
    const first = told.get(key);
    if (first) expect(again[0]?.body.id).toBe(first);
  }
  expect(await client.counts("killed")).toMatchObject({ depth: 11 });
});
