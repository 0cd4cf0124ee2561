/** Workers that are renewed after 100 tasks: nobody notices. */
import { execFileSync } from "node:child_process";
import { expect, inject, it } from "vitest";
import { fanOut } from "../../durable-objects/stubs.ts";
import { Client } from "../support/node/client.ts";
import { startFaulty } from "../support/node/steer.ts";

const full = inject("full");
const ROUNDS = full ? 8 : 2;
/** Of the whole runtime (KiB). Measured after each 4,000 tasks: 170, 200, 225, 255, 257, 259, 261 MiB. */
const CEILING_KIB = 384 * 1_024;
/** What the rounds after the fifth may add (KiB). */
const FLAT_KIB = 24 * 1_024;

function memoryOf(pid: number): number {
  return Number(execFileSync("ps", ["-o", "rss=", "-p", String(pid)], { encoding: "utf8" }));
}

it("A7 133 4,000 tasks (250 x 16), workers renewed after 100: at least 40 renewals, no pause over 1 s, memory flat, nothing killed", {
  timeout: full ? 600_000 : 120_000,
}, async () => {
  await using service = await startFaulty();
  const client = new Client(service.url);
  const pid = service.workerdPid() ?? 0;
  await client.putQueue("renewed", { sessionMaxTasks: 100 });
  const task = (i: number) => ({
    type: "compound-interest",
    payload: { amount: 100 + i, rate: 0.05, years: 5 },
    queue: "renewed",
  });
  const memory: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const batches = await fanOut(
      Array.from({ length: 250 }, (_, i) => i),
      (i) => client.submitAll(Array.from({ length: 16 }, (_, k) => task(i * 16 + k))),
    );
    await client.settled("renewed");
    const tasks = await client.tasks(batches.flatMap(({ ids }) => ids));
    expect(new Set(tasks.map(({ status, attempts }) => `${status} ${attempts.length}`))).toEqual(
      new Set(["SUCCEEDED 1"]),
    );
    expect(tasks.length).toBe(4_000);
    const sessions = Map.groupBy(tasks, ({ attempts }) => attempts[0]?.worker);
    expect(sessions.size).toBeGreaterThanOrEqual(40);
    for (const handed of sessions.values()) expect(handed.length).toBeLessThanOrEqual(100);
    const ends = tasks.map((one) => Date.parse("endedAt" in one ? one.endedAt : "")).sort((a, b) => a - b);
    const pauses = ends.map((end, i) => end - (ends[i - 1] ?? end));
    expect(Math.max(...pauses)).toBeLessThan(1_000);
    memory.push(memoryOf(pid));
  }
  expect(Math.max(...memory)).toBeLessThan(CEILING_KIB);
  if (full) expect((memory.at(-1) ?? 0) - (memory[4] ?? 0)).toBeLessThan(FLAT_KIB);
  expect(service.workerdPid()).toBe(pid);
  expect(service.logs.err.filter((line) => line.includes("died"))).toEqual([]);
});
