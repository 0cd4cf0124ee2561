/** What users do to runs, their tasks and their queues while they run: signals, cancellations, retries, purges, and worse. */
import type { QueueName, RunId, Seq } from "../../../core/ids.ts";
import { WAITING } from "../../../core/status.ts";
import type { Random } from "../random.ts";
import { START } from "./population.ts";
import type { WorkflowWorld } from "./workflow-world.ts";

/** Users meddle for so long (ms of virtual time), and signals have come by then. */
export const MEDDLE_MS = 600_000;

export function meddle(world: WorkflowWorld, random: Random, ids: readonly RunId[]): void {
  const quietly = (question: Promise<unknown>) => void question.catch(() => {});
  const anyRun = () => world.run(random.pick(ids as [RunId, ...RunId[]]));
  const anyShard = () => random.pick([...world.shards.values()] as [never, ...never[]]) as typeof some;
  const some = [...world.shards.values()][0];
  /** Some of the seeds have it, and only in the first minutes. */
  const sometimes = (chance: number, low: number, high: number, what: string, act: () => void) => {
    if (random.chance(chance)) world.each(low, high, what, () => world.now < START + MEDDLE_MS && act());
  };
  world.each(1_000, 120_000, "a signal", () => quietly(anyRun().signal({ v: 1, name: "go", payload: '"go"' })));
  sometimes(0.3, 5_000, 400_000, "a cancellation", () => quietly(anyRun().cancel({ v: 1 })));
  sometimes(0.4, 10_000, 300_000, "a retry", () => quietly(anyRun().retry({ v: 1, keys: null })));
  sometimes(0.3, 10_000, 200_000, "D1 is away", () => {
    world.historyAwayUntil = world.now + random.between(1_000, 120_000);
  });
  const taskAt = (status: string) => {
    const shard = anyShard()?.instance;
    if (!shard?.memory.hasTables) return null;
    const rows = shard.sql.all<{ seq: Seq }>("SELECT seq FROM task WHERE status = ? LIMIT 10", status);
    const seq = rows[random.between(0, rows.length - 1)]?.seq;
    return seq === undefined ? null : { seq, shard: world.shard(shard.address) };
  };
  sometimes(0.3, 5_000, 100_000, "a task is cancelled", () => {
    const found = taskAt(random.pick(["BLOCKED", "QUEUED", "RUNNING", "SCHEDULED"]));
    if (found) quietly(found.shard.cancel({ v: 1, seq: found.seq }));
  });
  sometimes(0.3, 5_000, 100_000, "a blocked task is to run now, or more urgently", () => {
    const found = taskAt("BLOCKED");
    const changes = random.chance(0.5) ? { runAt: null } : { priority: 9 };
    if (found) quietly(found.shard.change({ v: 1, seq: found.seq, rev: null, changes }));
  });
  sometimes(0.3, 5_000, 100_000, "a dead letter is redriven", () => {
    const found = taskAt("FAILED");
    if (found) quietly(found.shard.redriveDead({ v: 1, seq: found.seq, edit: { payload: GOOD } }));
  });
  sometimes(0.2, 30_000, 400_000, "a shard is purged", () => {
    const shard = anyShard()?.instance;
    if (shard) quietly(world.shard(shard.address).purge({ v: 1, statuses: WAITING }));
  });
  sometimes(0.2, 60_000, 500_000, "a queue is deleted and made again", () =>
    world.remake(random.pick(["a", "b"]) as string as QueueName),
  );
}

/** The cause was mended. */
const GOOD = JSON.stringify({ ends: "succeeded", ms: 10 });
