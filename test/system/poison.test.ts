/** A task that takes the whole runtime down with it is found out and condemned; whoever ran beside it is not. */
import { expect, inject, it } from "vitest";
import { Client } from "../support/node/client.ts";
import { Effects } from "../support/node/effects.ts";
import type { Service } from "../support/node/service.ts";
import { startFaulty } from "../support/node/steer.ts";
import { waitFor } from "../support/node/wait-for.ts";

const QUICK = { backoff: "fixed", baseMs: 100 };

/** What the service has beside the poison: 20 sleepers that run, and 500 tasks that wait. */
async function company(client: Client, effects: Effects): Promise<readonly string[]> {
  await client.putQueue("company", { retry: QUICK, concurrency: 21 });
  const sleep = { type: "sleep", payload: { ms: 300 }, queue: "company" };
  const sleepers = await client.submitAll(Array.from({ length: 20 }, () => sleep));
  const effect = { type: "effect", payload: { url: effects.url }, queue: "company" };
  const waiting = await client.submitAll(Array.from({ length: 500 }, () => effect));
  return [sleepers.batch, waiting.batch];
}

async function everyoneElse(client: Client, batches: readonly string[]): Promise<void> {
  for (const batch of batches) {
    const { tasks, counts } = await client.batchEnded(batch, 120_000);
    expect(counts.SUCCEEDED).toBe(tasks);
  }
}

function deaths(service: Service): number {
  return service.logs.err.filter((line) => /^The runtime \(process \d+\) died/.test(line)).length;
}

it("150 poison: a task that gets the runtime killed ends FAILED poisoned; 20 sleepers and 500 waiting ones succeed", async () => {
  await using service = await startFaulty();
  await using effects = await Effects.start();
  const client = new Client(service.url);
  effects.server.on("kill", () => process.kill(service.workerdPid() ?? 0, "SIGKILL"));
  const batches = await company(client, effects);
  const poison = { type: "kill", payload: { url: `${effects.server.url}/kill` }, queue: "company" };
  const id = await client.submit({ ...poison, priority: "critical" });

  // The runtime dies under such questions, too.
  const ended = await waitFor(
    async () => {
      const task = await client.task(id);
      return task.status === "FAILED" && task;
    },
    { what: "the poison is condemned", timeoutMs: 90_000, everyMs: 50 },
  );
  expect(ended.error.code).toBe("poisoned");
  expect(ended.attempts.map(({ outcome }) => outcome)).toEqual(Array.from({ length: 5 }, () => "crashed"));
  expect(ended.attempts.map(({ error }) => /, alone$/.test(error?.message ?? ""))).toEqual([
    false,
    false,
    true,
    true,
    true,
  ]);
  await everyoneElse(client, batches);
  expect(deaths(service)).toBe(5);
  expect(effects.done.size).toBe(500);
});

it.runIf(inject("full"))("150 poison by real exhaustion of memory", { timeout: 600_000 }, async () => {
  await using service = await startFaulty();
  await using effects = await Effects.start();
  const client = new Client(service.url);
  const batches = await company(client, effects);
  const id = await client.submit({ type: "exhaust-memory", payload: {}, queue: "company", timeoutMs: 300_000 });
  const ended = await waitFor(
    async () => {
      const task = await client.task(id);
      return task.status === "FAILED" && task;
    },
    { what: "the poison is condemned", timeoutMs: 500_000, everyMs: 500 },
  );
  expect(ended.error.code).toBe("poisoned");
  await everyoneElse(client, batches);
});
