/** Dead letters as a place to work, and jobs over many tasks, over HTTP on the whole service: killed, and without D1. */
import { describe, expect, it } from "vitest";
import type { TaskId } from "../../core/ids.ts";
import { hostService } from "../support/node/host-service.ts";
import { DOOR, setFaults } from "../support/node/steer.ts";
import { waitFor } from "../support/node/wait-for.ts";

const { service, client } = await hostService();

interface Job {
  readonly id: string;
  readonly status: string;
  readonly counts: Readonly<Record<"matched" | "done" | "skipped" | "failed", number>>;
  readonly startedAt: string;
  readonly endedAt: string | null;
}
interface Group {
  readonly fingerprint: string;
  readonly count: number;
  readonly message: string;
}

const look = (id: string) => client.expect<Job>(200, "GET", `/tasks/bulk/${id}`);
const begin = (path: string, told: object) => client.expect<Job>(202, "POST", path, told);

async function ended(id: string): Promise<Job> {
  const done = async () => {
    const job = await look(id);
    if (job.endedAt === null) throw new Error(JSON.stringify(job));
    return job;
  };
  return await waitFor(done, { what: `job ${id} has ended`, timeoutMs: 60_000, everyMs: 50 });
}

/** As many tasks of the queue as there are messages, each FAILED with its own. */
async function die(queue: string, messages: readonly string[], settings: object = {}): Promise<readonly TaskId[]> {
  await client.putQueue(queue, { retry: { maxAttempts: 1 }, depthLimit: 20_000, slots: 64, ...settings });
  const tasks = messages.map((message) => ({ type: "fail", payload: { message }, queue }));
  const { ids, batch } = await client.submitAll(tasks);
  expect((await client.batchEnded(batch)).counts.FAILED).toBe(messages.length);
  return ids;
}

const CAUSES = ["the mail server is away", "no such customer", "the disk is full"];
/** Half of them of the first cause, three tenths of the second, each with names of its own. */
const causeOf = (i: number) => {
  const name = String.fromCharCode(...Array.from(String(i), (digit) => 97 + Number(digit)));
  return `${CAUSES["0000011122".charCodeAt(i % 10) - 48]} (user "${name}", ${name}@example.com, /home/${name})`;
};

describe("10,000 failures of three causes", () => {
  it("267 270 271 272 273 are three groups; one is counted, redriven at a rate with what mends it, and as many succeed", async () => {
    await die(
      "causes",
      Array.from({ length: 10_000 }, (_, i) => causeOf(i)),
    );
    const { groups } = await client.expect<{ groups: Group[] }>(200, "GET", "/dead-letters/groups?queue=causes");
    expect(groups.map(({ message, count }) => [message.split(" (")[0], count])).toEqual([
      [CAUSES[0], 5_000],
      [CAUSES[1], 3_000],
      [CAUSES[2], 2_000],
    ]);
    const those = { queue: "causes", filter: { fingerprint: groups[1]?.fingerprint } };
    const dry = await client.expect<{ matched: number; asOf: string }>(200, "POST", "/dead-letters/redrive", {
      ...those,
      dryRun: true,
    });
    expect(dry.matched).toBe(3_000);
    const edit = { payloadPatch: { times: 0 } };
    const rate = { limit: 1_500, periodMs: 1_000 };
    const { id } = await begin("/dead-letters/redrive", { ...those, asOf: dry.asOf, edit, rate });
    const job = await ended(id);
    expect(job.counts).toEqual({ matched: 3_000, done: 3_000, skipped: 0, failed: 0 });
    expect(Date.parse(job.endedAt ?? "") - Date.parse(job.startedAt)).toBeGreaterThan(1_500);
    expect(await client.settled("causes")).toMatchObject({ deadLetters: 7_000 });
  });
});

describe("SIGKILL in the middle", () => {
  it("E9 269 274 of a redrive and of a cancellation doubles nothing, leaves nothing, and the counts are exact", async () => {
    const ids = await die("redriven", Array(4_000).fill("no"));
    await client.pause("redriven");
    await client.putQueue("cancelled", { depthLimit: 20_000, shards: 2 });
    await client.pause("cancelled");
    const waiting = Array.from({ length: 2_000 }, () => ({ type: "echo", payload: {}, queue: "cancelled" }));
    const batches = [await client.submitAll(waiting), await client.submitAll(waiting)];

    const rate = { limit: 1_200, periodMs: 1_000 };
    const redrive = await begin("/dead-letters/redrive", { queue: "redriven", filter: {}, rate });
    const cancel = await begin("/tasks/bulk", { action: "cancel", queue: "cancelled", filter: { type: "echo" }, rate });
    await waitFor(async () => (await look(redrive.id)).counts.done > 500 && (await look(cancel.id)).counts.done > 500, {
      what: "both are under way",
      timeoutMs: 20_000,
    });
    await service.kill();
    await service.restart();
    for (const { id } of [redrive, cancel])
      expect(await ended(id)).toMatchObject({
        status: "done",
        counts: { matched: 4_000, done: 4_000, skipped: 0, failed: 0 },
      });
    expect(await client.counts("redriven")).toMatchObject({ queued: 4_000, deadLetters: 0 });
    expect(await client.counts("cancelled")).toMatchObject({ depth: 0 });
    for (const { batch } of batches) expect((await client.batchEnded(batch)).counts.CANCELLED).toBe(2_000);
    const old = await client.tasks(ids.slice(0, 100));
    const became = old.map(({ replayedBy }) => replayedBy?.[0]);
    expect(new Set(became).size).toBe(100);
    const tasks = await client.tasks(became.filter((id) => id !== undefined));
    expect(tasks.map(({ replayOf }) => replayOf)).toEqual(ids.slice(0, 100));
  });
});

describe("without D1", () => {
  it("266 269 274 dead letters are listed, searched, redriven one and many, and tasks cancelled", async () => {
    const [id] = await die("no-d1", ["first", ...Array(9).fill("other")]);
    for (const scope of ["no-d1", DOOR]) await setFaults(client, scope, { history: "down" });
    await client.pause("no-d1");
    const found = await client.expect<{ deadLetters: object[] }>(200, "GET", "/dead-letters?queue=no-d1&q=OTHER");
    expect(found.deadLetters).toHaveLength(9);
    const one = await client.expect<{ id: string }>(202, "POST", `/dead-letters/${id}/redrive`);
    expect(await client.expect(202, "POST", `/dead-letters/${id}/redrive`)).toMatchObject({ id: one.id });
    const many = await begin("/dead-letters/redrive", { queue: "no-d1", filter: {} });
    expect((await ended(many.id)).counts).toMatchObject({ matched: 9, done: 9 });
    const cancel = await begin("/tasks/bulk", { action: "cancel", queue: "no-d1", filter: {} });
    expect((await ended(cancel.id)).counts).toMatchObject({ matched: 10, done: 10 });
    expect(await client.status(one.id)).toBe("CANCELLED");
    for (const scope of ["no-d1", DOOR]) await setFaults(client, scope, { history: "works" });
  });
});
