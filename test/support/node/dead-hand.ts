/** Lets tasks of a shard on node:sqlite fail for good, as a worker would: for tests of dead letters. */
import type { AttemptError } from "../../../core/errors.ts";
import type { Seq } from "../../../core/ids.ts";
import type { NewTask } from "../../../core/schema/rpc.ts";
import type { ShardWorld } from "./shard-world.ts";
import { accept, failed, WorkerHand } from "./worker-hand.ts";

/** The tasks are submitted, run once and are dead letters. @param cause fingerprint and message of each, by its index */
export function bury(
  world: ShardWorld,
  tasks: readonly Partial<NewTask>[],
  cause: (index: number) => string = () => "a",
): Seq[] {
  const seqs: Seq[] = [];
  for (let at = 0; at < tasks.length; at += 64) {
    const part = tasks.slice(at, at + 64);
    seqs.push(...accept(world, ...part));
    const hand = new WorkerHand(world, { want: part.length });
    hand.close(
      hand.tasks.map((task, i) => ({
        ...failed(world, task),
        kind: "failed",
        retryable: false,
        error: by(cause(at + i)),
      })),
    );
  }
  return seqs;
}

function by(cause: string): AttemptError {
  return { code: "handler-error", class: "Error", message: `it was ${cause}`, fingerprint: cause };
}
