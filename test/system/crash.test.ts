/** The power goes off, or the runtime dies: everything that was accepted is done, and nobody has to ask for it. */
import { expect, it } from "vitest";
import { Client } from "../support/node/client.ts";
import { Effects, keyOf } from "../support/node/effects.ts";
import { startFaulty } from "../support/node/steer.ts";
import { waitFor } from "../support/node/wait-for.ts";

it("151 SIGKILL of the whole service with 500 waiting and 20 running: started again, with no request, all 520 end, one success each", async () => {
  await using service = await startFaulty();
  await using effects = await Effects.start();
  const client = new Client(service.url);
  await client.putQueue("crash", { concurrency: 20 });
  effects.hold(20);
  const tasks = Array.from({ length: 520 }, () => ({ type: "effect", payload: { url: effects.url }, queue: "crash" }));
  const { ids, batch } = await client.submitAll(tasks);
  await waitFor(() => effects.holding === 20, { what: "20 tasks run" });
  expect(await client.counts("crash")).toMatchObject({ queued: 500, running: 20, depth: 520 });
  const running = new Set(effects.seen.keys());

  await service.kill();
  effects.forget();
  await service.restart();
  await waitFor(() => effects.done.size === 520, { what: "all 520 have had their effect", timeoutMs: 60_000 });

  const { counts } = await client.batchEnded(batch);
  expect(counts).toMatchObject({ SUCCEEDED: 520, FAILED: 0 });
  await client.settled("crash");
  for (const { id, status, attempts } of await client.tasks(ids)) {
    const outcomes = attempts.map(({ outcome }) => outcome);
    const expected = running.has(keyOf(id)) ? ["crashed", "succeeded"] : ["succeeded"];
    expect([id, status, outcomes, effects.seen.get(keyOf(id))]).toEqual([id, "SUCCEEDED", expected, expected.length]);
  }
});

it("C4 147 148 a dead runtime's tasks run again well within 33 s, with no request; at most once where that was asked for", async () => {
  await using service = await startFaulty();
  await using effects = await Effects.start();
  const client = new Client(service.url);
  await client.putQueue("dies");
  effects.hold(12);
  const task = { type: "effect", payload: { url: effects.url }, queue: "dies" };
  const ids = await Promise.all(Array.from({ length: 10 }, () => client.submit(task)));
  const once = await Promise.all(Array.from({ length: 2 }, () => client.submit({ ...task, onCrash: "fail" })));
  await waitFor(() => effects.holding === 12, { what: "all run" });
  const since = performance.now();
  process.kill(service.workerdPid() ?? 0, "SIGKILL");
  effects.forget();
  await waitFor(() => effects.done.size === 10, { what: "ten ran again", timeoutMs: 33_000 });
  expect(performance.now() - since).toBeLessThan(33_000);
  for (const id of ids)
    expect(await client.ended(id)).toMatchObject({
      status: "SUCCEEDED",
      attempts: [{ outcome: "crashed" }, { outcome: "succeeded" }],
    });
  for (const id of once)
    expect(await client.ended(id)).toMatchObject({
      status: "FAILED",
      error: { code: "crashed" },
      attempts: [{ outcome: "crashed" }],
    });
  expect(once.map((id) => effects.seen.get(keyOf(id)))).toEqual([1, 1]);
});
