/** An answer that is lost after the commit is an ordinary event: nothing is stranded and nothing is done twice. */
import { describe, expect, inject, it } from "vitest";
import { Effects } from "../support/node/effects.ts";
import { hostService } from "../support/node/host-service.ts";
import { setFaults } from "../support/node/steer.ts";
import { waitFor } from "../support/node/wait-for.ts";

const { client } = await hostService();

/** All of a queue's tasks had their effect once, in their first attempt; nothing is left. */
async function allOnce(effects: Effects, queue: string, ids: readonly string[]): Promise<void> {
  expect(await client.settled(queue)).toMatchObject({ depth: 0, sessions: 0, deadLetters: 0 });
  expect([effects.done.size, effects.posts]).toEqual([ids.length, ids.length]);
  const tasks = await client.tasks(ids);
  expect(tasks.map(({ status, attempts }) => [status, attempts.length])).toEqual(ids.map(() => ["SUCCEEDED", 1]));
}

/** Each in its own queue: most of the time of each is waiting. */
describe.concurrent("answers lost after the commit", () => {
  it("113 of submit: 503 outcome-unknown, and the task runs once all the same", async () => {
    await using effects = await Effects.start();
    await client.putQueue("submits");
    // A shard's first submission is refused until it has brought the queue's settings: that is not the answer meant here.
    await client.ended(await client.submit({ type: "echo", payload: 0, queue: "submits" }));
    await setFaults(client, "submits", { lose: { submit: 5 } });
    const send = () =>
      client.call("POST", "/tasks/submissions", { type: "effect", payload: { url: effects.url }, queue: "submits" });
    const replies = [];
    for (let i = 0; i < 10; i++) replies.push(await send());
    expect(replies.map(({ status }) => status)).toEqual([503, 503, 503, 503, 503, 202, 202, 202, 202, 202]);
    for (const { body, headers } of replies.slice(0, 5)) {
      expect(body).toMatchObject({ code: "outcome-unknown", retryable: false });
      expect(headers.get("retry-after")).toBeNull();
    }
    await client.settled("submits");
    expect([effects.done.size, effects.posts]).toEqual([10, 10]);
  });

  it.each([
    ["here and there", 3, 8],
    ["so many in a row that a turn is given up", 9, 2],
  ])("128 130 of advance, %s", async (name, inARow, rounds) => {
    await using effects = await Effects.start();
    const queue = `advances-${inARow}`;
    await client.putQueue(queue, { maxSessions: 2 });
    const ids: string[] = [];
    for (let round = 0; round < rounds; round++) {
      const tasks = Array.from({ length: 40 }, () => ({ type: "effect", payload: { url: effects.url }, queue }));
      ids.push(...(await client.submitAll(tasks)).ids);
      await setFaults(client, queue, { lose: { advance: inARow } });
      await waitFor(async () => ((await setFaults(client, queue, {})).lose.advance ?? 0) === 0, {
        what: `${name}: answers are lost`,
      });
    }
    await allOnce(effects, queue, ids);
  });

  it("128 of close", async () => {
    await using effects = await Effects.start();
    await client.putQueue("closes", { lingerMs: 0 });
    const ids: string[] = [];
    await setFaults(client, "closes", { lose: { close: 6 } });
    for (let i = 0; i < 6; i++) {
      const id = await client.submit({ type: "effect", payload: { url: effects.url }, queue: "closes" });
      ids.push(id);
      await client.ended(id);
      await client.settled("closes");
    }
    expect((await setFaults(client, "closes", {})).lose.close).toBe(0);
    await allOnce(effects, "closes", ids);
  });

  it("130 of open", async () => {
    await using effects = await Effects.start();
    await client.putQueue("opens");
    await setFaults(client, "opens", { lose: { open: 6 } });
    const tasks = Array.from({ length: 60 }, () => ({ type: "effect", payload: { url: effects.url }, queue: "opens" }));
    const { ids } = await client.submitAll(tasks);
    await allOnce(effects, "opens", ids);
    expect((await setFaults(client, "opens", {})).lose.open).toBe(0);
  });

  it.runIf(inject("full"))("147 of open, every time: its lease ends, and what it was handed runs again", async () => {
    await using effects = await Effects.start();
    await client.putQueue("unheard", { leaseMs: 41_000 });
    await setFaults(client, "unheard", { lose: { open: 4 } });
    const task = { type: "effect", payload: { url: effects.url }, queue: "unheard" };
    const id = await client.submit(task);
    await waitFor(async () => (await client.status(id)) === "SUCCEEDED", { what: "it ran", timeoutMs: 90_000 });
    expect([effects.done.size, effects.posts]).toEqual([1, 1]);
  });
});
