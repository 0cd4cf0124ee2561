/**
 * What a task costs in rows, counted where Cloudflare counts: a real object's storage and a real D1. The shard's
 * operations are driven by hand under a clock that stands, so that the same rows are written each time.
 */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { countStorage, noCounts } from "../../../bench/worker/count.ts";
import type { Seq } from "../../../core/ids.ts";
import type { QueueSettings } from "../../../core/schema/queue-settings.ts";
import type { NewTask } from "../../../core/schema/rpc.ts";
import type { ClaimedTask, Outcome } from "../../../core/schema/session-rpc.ts";
import { erase } from "../../../durable-objects/queue-shard/ended/erase.ts";
import { durableSql } from "../../../durable-objects/sql/durable.ts";
import { packBodies } from "../../../history/outbox-body.ts";
import { tombstoneOf } from "../../../history/tombstone.ts";
import { walkRetention } from "../../../history/walk-retention.ts";
import { writeHistory } from "../../../history/write.ts";
import { type ShardWorld, worldOver } from "../hand-world.ts";
import { accept, succeeded, WorkerHand } from "../node/worker-hand.ts";

/** How many tasks share what is shared: they are submitted in one batch and run by few sessions. */
export const TASKS = 100;

/** Rows a task; setAlarm is one of the shard's. */
export interface Rows {
  readonly shard: number;
  readonly d1: number;
}

export interface Feature {
  /** As docs/cost.md has it. */
  readonly name: string;
  readonly settings?: Partial<QueueSettings>;
  /** By how many its rows are divided: {@link TASKS} where nothing is said. */
  readonly tasks?: number;
  /** Before anything is counted. */
  prepare?(bench: CostBench): Promise<void>;
  /** So many tasks, from submission to end. */
  run(bench: CostBench): Promise<void> | void;
}

export class CostBench {
  readonly world: ShardWorld;

  constructor(world: ShardWorld) {
    this.world = world;
  }

  /** @param told by its number */
  submit(told: (n: number) => Partial<NewTask> = () => ({})): Seq[] {
    return accept(this.world, ...Array.from({ length: TASKS }, (_, n) => told(n)));
  }

  /** Whatever may run now does, and ends so. */
  runAll(outcomeOf: (world: ShardWorld, task: ClaimedTask) => Outcome = succeeded): void {
    const { world } = this;
    while (world.shard.memory.lanes.queued > 0) {
      const hand = new WorkerHand(world, { want: TASKS });
      hand.close(hand.tasks.map((task) => outcomeOf(world, task)));
    }
  }

  pass(ms: number): void {
    this.world.passTo(this.world.now + ms);
  }

  /** As the door does: the shard first, then a tombstone in D1. */
  async deleteData(seq: Seq): Promise<void> {
    const { shard, history } = this.world;
    erase(shard, { v: 1, seq });
    if (!history) throw new Error("there is no D1");
    const row = tombstoneOf({ seq, status: "SUCCEEDED", createdAt: 1, endedAt: 2 }, 3_600, shard.ports.now());
    await writeHistory(history, shard.address, packBodies([row]), shard.ports);
  }

  /** As the cron trigger does, until all that is past its time is gone. */
  async retain(): Promise<void> {
    const { shard, history } = this.world;
    if (!history) throw new Error("there is no D1");
    await walkRetention(history, shard.ports);
  }

  /** Until D1 has everything, and receivers have. */
  async flush(): Promise<void> {
    const { world } = this;
    do {
      this.pass(1_000);
      await Promise.all(world.background.splice(0));
    } while (world.shard.memory.outbox.rows + world.shard.memory.deliveries.pending > 0);
  }
}

let objects = 0;

/** Each in an object of its own, which has run a task before: neither tables nor settings are counted. */
export async function costOf({ settings, tasks = TASKS, prepare, run }: Feature): Promise<Rows> {
  for (const table of ["history", "retention_walk", "workflow"])
    await env.HISTORY_0.prepare(`DELETE FROM ${table}`).run();
  const stub = env.QUEUE_SHARD.getByName(`default:cost-${++objects}:0`);
  return await runInDurableObject(stub, async (_, { storage }) => {
    const counts = noCounts();
    const settle = countStorage(storage, counts);
    const world = worldOver(() => durableSql(storage), { slots: 64, maxSessions: 64, ...settings });
    world.history = {
      prepare: (statement) => env.HISTORY_0.prepare(statement),
      async batch(statements) {
        const results = await env.HISTORY_0.batch<Record<string, unknown>>(statements as D1PreparedStatement[]);
        for (const { meta } of results) counts.d1RowsWritten += meta.rows_written;
        return results;
      },
    };
    const bench = new CostBench(world);
    accept(world, {});
    bench.runAll();
    await bench.flush();
    await prepare?.(bench);
    settle();
    Object.assign(counts, noCounts());
    world.alarms.length = 0;
    await run(bench);
    await bench.flush();
    settle();
    return { shard: (counts.rowsWritten + world.alarms.length) / tasks, d1: counts.d1RowsWritten / tasks };
  });
}
