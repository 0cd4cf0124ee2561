/** Each feature of a task, as it is used once by each of a hundred: the rows of docs/cost.md. */
import type { Seq } from "../../../core/ids.ts";
import { type ShardAddress, taskId } from "../../../core/ids.ts";
import { replayOf } from "../../../core/replay.ts";
import { WAITING } from "../../../core/status.ts";
import { redriveDead } from "../../../durable-objects/queue-shard/dead/redrive.ts";
import { cancel } from "../../../durable-objects/queue-shard/waiting/cancel.ts";
import { change } from "../../../durable-objects/queue-shard/waiting/change.ts";
import { purge } from "../../../durable-objects/queue-shard/waiting/purge.ts";
import { failed, taskAt, WorkerHand } from "../node/worker-hand.ts";
import { nodesOf, runWorkflow } from "./cost-workflow.ts";
import { type CostBench, type Feature, TASKS } from "./count-cost.ts";

const HOUR_MS = 3_600_000;
const options = (told: object) => ({ options: JSON.stringify(told) });
const cached = (n: number) => ({
  cache: { key: n.toString(16).padStart(13, "0").padEnd(32, "0"), ttlMs: HOUR_MS, read: true },
});
const fatally = (world: Parameters<typeof failed>[0], task: Parameters<typeof failed>[1]) => failed(world, task, false);

function bury(bench: CostBench): Seq[] {
  const seqs = bench.submit();
  bench.runAll(fatally);
  return seqs;
}

function replay({ world }: CostBench, seq: Seq, address: ShardAddress): void {
  const record = taskAt(world, seq);
  if (record) world.submit([replayOf(record, taskId(address, seq), {})], { repeats: record });
}

export const FEATURES: readonly Feature[] = [
  {
    name: "a task that simply runs",
    run(bench) {
      bench.submit();
      bench.runAll();
    },
  },
  {
    name: "the same, and forgotten after `historyTtlSeconds`",
    settings: { historyTtlSeconds: 3_600 },
    async run(bench) {
      bench.submit();
      bench.runAll();
      await bench.flush();
      bench.pass(2 * HOUR_MS);
      await bench.retain();
    },
  },
  {
    name: "`tags`, `keepPayload`, `timeoutMs`, `resultTtlSeconds`, `onCrash`",
    run(bench) {
      bench.submit(() => options({ tags: ["a", "b"], keepPayload: false, timeoutMs: 5_000, resultTtlSeconds: 60 }));
      bench.runAll();
    },
  },
  {
    name: "progress, told ten times while it runs",
    run(bench) {
      bench.submit();
      while (bench.world.shard.memory.lanes.queued > 0) {
        const hand = new WorkerHand(bench.world, { want: TASKS });
        for (let percent = 10; percent <= 100; percent += 10) {
          bench.pass(500);
          hand.say({ progress: hand.tasks.map(({ seq }) => [seq, JSON.stringify({ percent })]) });
        }
        hand.close(
          hand.tasks.map(({ seq, attempt }) => {
            const { now } = bench.world;
            return { kind: "succeeded", seq, attempt, startedAt: now, endedAt: now, result: "null" };
          }),
        );
      }
    },
  },
  {
    name: "`delaySeconds`, `runAt`",
    run(bench) {
      bench.submit(() => ({ runAt: bench.world.now + 60_000 }));
      bench.pass(60_000);
      bench.runAll();
    },
  },
  {
    name: "`ttlSeconds`, `expiresAt`, begun in time",
    run(bench) {
      bench.submit(() => ({ expiresAt: bench.world.now + HOUR_MS }));
      bench.runAll();
    },
  },
  {
    name: "the same, EXPIRED",
    run(bench) {
      bench.submit(() => ({ expiresAt: bench.world.now + 60_000 }));
      bench.pass(60_000);
    },
  },
  {
    name: "one retry",
    run(bench) {
      bench.submit();
      bench.runAll(failed);
      bench.pass(1_000);
      bench.runAll();
    },
  },
  {
    name: "FAILED at once: its dead letter, later forgotten, and its notice too",
    settings: { historyTtlSeconds: 3_600 },
    async run(bench) {
      bury(bench);
      await bench.flush();
      bench.pass(2 * HOUR_MS);
    },
  },
  {
    name: "a dead letter redriven, and its new task run",
    async prepare(bench) {
      bury(bench);
      await bench.flush();
    },
    run(bench) {
      const dead = bench.world.shard.sql.all<{ seq: Seq }>("SELECT seq FROM task WHERE status = 'FAILED'");
      for (const { seq } of dead) redriveDead(bench.world.shard, { v: 1, seq });
      bench.runAll();
    },
  },
  {
    name: "a finished task replayed, and its new task run",
    run(bench) {
      const seqs = bench.submit();
      bench.runAll();
      for (const seq of seqs) replay(bench, seq, bench.world.shard.address);
      bench.runAll();
    },
  },
  {
    name: "`limitKey` or `fairnessKey`, ten tasks a key",
    settings: { keyLimits: { concurrency: 1_000 } },
    run(bench) {
      bench.submit((n) => ({ limitKey: `k${n % 10}` }));
      bench.runAll();
    },
  },
  {
    name: "a `rate` of the queue",
    settings: { rate: { limit: 10_000, periodMs: 1_000, burst: 10_000 } },
    run(bench) {
      bench.submit();
      bench.runAll();
    },
  },
  {
    name: "`unique`, `throttleSeconds`: of each key one task, the key later forgotten",
    async run(bench) {
      bench.submit((n) => ({ dedup: { key: `uniq:${n}`, ttlMs: HOUR_MS, within: "window" } }));
      bench.runAll();
      await bench.flush();
      bench.pass(2 * HOUR_MS);
    },
  },
  {
    name: "`debounceSeconds`, `replace`: of each key two submissions, the key gone with the task",
    async run(bench) {
      const told = (n: number) =>
        ({
          runAt: bench.world.now + 5_000,
          dedup: { key: `uniq:${n}`, ttlMs: HOUR_MS, within: "queued", onConflict: "replace" },
        }) as const;
      bench.submit(told);
      bench.submit(told);
      bench.pass(5_000);
      bench.runAll();
      await bench.flush();
    },
  },
  {
    name: "`Idempotency-Key`, one task a request, the key later forgotten",
    async run(bench) {
      for (let n = 0; n < TASKS; n++)
        bench.world.submit([{}], { idempotency: { key: `k${n}`, fingerprint: "f".repeat(32) } });
      bench.runAll();
      await bench.flush();
      bench.pass(25 * HOUR_MS);
    },
  },
  {
    name: "`cacheTtlSeconds`: it runs, and its result is kept, later forgotten",
    async run(bench) {
      bench.submit(cached);
      bench.runAll();
      await bench.flush();
      bench.pass(2 * HOUR_MS);
    },
  },
  {
    name: "`cacheTtlSeconds`: answered by a result that was kept",
    prepare(bench) {
      bench.submit(cached);
      bench.runAll();
      return bench.flush();
    },
    run(bench) {
      bench.submit(cached);
    },
  },
  {
    name: "`callback` or a webhook: taken at once, later forgotten",
    settings: { hooks: { signing: [{ secret: "whsec_c2lnbmluZw==", until: null }], webhooks: [] } },
    async run(bench) {
      bench.submit(() => options({ callback: { url: "https://receiver.example/ended" } }));
      bench.runAll();
      await bench.flush();
      bench.pass(8 * 24 * HOUR_MS);
    },
  },
  {
    name: "changed once while it waits (PATCH)",
    run(bench) {
      for (const seq of bench.submit()) change(bench.world.shard, { v: 1, seq, rev: null, changes: { priority: 7 } });
      bench.runAll();
    },
  },
  {
    name: "cancelled while it waits",
    run(bench) {
      for (const seq of bench.submit()) cancel(bench.world.shard, { v: 1, seq });
    },
  },
  {
    name: "cancelled with all that wait (purge)",
    run(bench) {
      bench.submit();
      purge(bench.world.shard, { v: 1, statuses: WAITING });
    },
  },
  {
    name: "run, and its data deleted once D1 has it",
    async run(bench) {
      const seqs = bench.submit();
      bench.runAll();
      await bench.flush();
      for (const seq of seqs) await bench.deleteData(seq);
    },
  },
  {
    name: "the only task of a workflow: what a run is by itself",
    tasks: 1,
    run: (bench) => runWorkflow(bench, nodesOf([[]])),
  },
  {
    name: "a task of a workflow of 100, side by side",
    run: (bench) => runWorkflow(bench, nodesOf(Array.from({ length: TASKS }, () => []))),
  },
  {
    name: "a task of a workflow that waits for another: ten rows of ten",
    run: (bench) => runWorkflow(bench, nodesOf(Array.from({ length: TASKS }, (_, i) => (i < 10 ? [] : [i - 10])))),
  },
  {
    name: "a task of a chain of 100, each by itself",
    run: (bench) => runWorkflow(bench, nodesOf(Array.from({ length: TASKS }, (_, i) => (i === 0 ? [] : [i - 1])))),
  },
];
