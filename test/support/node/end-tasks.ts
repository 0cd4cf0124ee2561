/** A worker at a shard of a DirectoryWorld, which takes its oldest waiting tasks and says how they ended. */
import type { Seq } from "../../../core/ids.ts";
import type { ClaimedTask, Outcome } from "../../../core/schema/session-rpc.ts";
import { advance } from "../../../durable-objects/queue-shard/running/advance.ts";
import { close } from "../../../durable-objects/queue-shard/running/close.ts";
import { open } from "../../../durable-objects/queue-shard/running/open.ts";
import type { Shard } from "../../../durable-objects/queue-shard/shard.ts";
import type { DirectoryWorld } from "./directory-world.ts";

const WORKER = { name: "w", kind: "consumer", types: { echo: 1, sleep: 1 }, boot: null } as const;

/** Takes the oldest; it runs from then on, until `end`. null: there is none to be had. */
export function begin(shard: Shard): { readonly task: ClaimedTask; end(how: "succeeded" | "failed"): void } | null {
  const opened = open(shard, { v: 1, ticket: null, solo: false, want: 1, worker: WORKER });
  if (!opened.ok || opened.session === null) return null;
  const { session } = opened;
  const [task] = opened.handout.tasks;
  if (!task) {
    close(shard, { v: 1, session, turn: 1, outcomes: [] });
    return null;
  }
  return {
    task,
    end(how) {
      const now = shard.ports.now();
      const told = { seq: task.seq as Seq, attempt: task.attempt, startedAt: now, endedAt: now };
      const error = { code: "handler-error", message: "no", class: "Error" } as const;
      const outcome: Outcome =
        how === "succeeded"
          ? { kind: "succeeded", result: "null", ...told }
          : { kind: "failed", error, retryable: false, ...told };
      const request = { v: 1, session, turn: 1, answered: 0, holding: [], started: [], progress: [], want: 0 } as const;
      advance(shard, { ...request, outcomes: [outcome], waitMs: 0 }, () => {});
      close(shard, { v: 1, session, turn: 2, outcomes: [] });
    },
  };
}

/** The oldest waiting task of the queue runs and ends so; whoever is to be told is. Throws where there is none. */
export async function endOldest(world: DirectoryWorld, how: "succeeded" | "failed", queue = "default"): Promise<void> {
  const begun = begin(world.shard(queue));
  if (!begun) throw new Error(`nothing waits in ${queue}`);
  begun.end(how);
  await world.settle();
}
