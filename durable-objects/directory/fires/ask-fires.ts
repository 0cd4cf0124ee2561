/**
 * Fires that got no answer and are not to be made any more: their schedule heeds what runs, and is paused, or
 * `cancel-running` has a later one. It is asked whether they were taken, until that is known. Nothing is made by that: a
 * shard tries the submission and tells whose its dedup key is, a run is read by its id.
 */
import { type TaskId, type TenantName, taskId } from "../../../core/ids.ts";
import { packTasks } from "../../../core/pack-tasks.ts";
import type { NewTask } from "../../../core/schema/rpc.ts";
import { callWithin, fanOut, workflowOf } from "../../stubs.ts";
import { write } from "../perform.ts";
import { addressOf, findQueue } from "../queues/queue-entry.ts";
import { type DirectoryState, done } from "../state.ts";
import { runIdOf } from "./fire-runs.ts";
import { settleUntaken } from "./give-up-fires.ts";
import { fireKey, settleFired, settleUnanswered } from "./pending-fire.ts";
import type { OutgoingFire } from "./take-due.ts";
import { ANSWER_WITHIN_MS } from "./try-again.ts";

type TaskFire = Extract<OutgoingFire, { readonly task: NewTask }>;
type RunFire = Exclude<OutgoingFire, TaskFire>;

/** Never rejects. */
export async function askFires(state: DirectoryState, fires: readonly OutgoingFire[]): Promise<void> {
  await fanOut(fires, async (fire) => {
    state.inFlight.add(fireKey(fire));
    const made = "task" in fire ? await askShard(state, fire) : await askRun(state, fire);
    state.inFlight.delete(fireKey(fire));
    write(state, () => {
      if (made === "unheard") settleUnanswered(state, fire);
      else if (made === null) settleUntaken(state, fire);
      else settleFired(state, fire, made);
      return done({});
    });
  });
}

/** null: it was not taken. */
async function askShard(state: DirectoryState, fire: TaskFire): Promise<TaskId | null | "unheard"> {
  const { queue, shard } = fire;
  const settings = findQueue(state, queue)?.settings;
  if (!settings) return null;
  const { ports } = state;
  const request = { v: 1, settingsVersion: settings.version, settings, atomic: false } as const;
  const answer = await callWithin(ports, ANSWER_WITHIN_MS, () =>
    ports.shard(addressOf(state, queue, shard)).trySubmit({ ...request, tasks: packTasks([fire.task]) }),
  );
  if (!answer.ok) return "unheard";
  const [task] = answer.tasks;
  return task?.accepted && task.duplicateOf !== undefined ? taskId({ queue, shard }, task.duplicateOf) : null;
}

async function askRun(state: DirectoryState, { dedupKey }: RunFire) {
  const { ports } = state;
  const tenant = state.name as TenantName;
  const run = await runIdOf(tenant, `fire ${dedupKey}`);
  const answer = await callWithin(ports, ANSWER_WITHIN_MS, () =>
    workflowOf(ports, tenant, run).read({ v: 1, nodes: false }),
  );
  if (answer.ok) return run;
  return answer.code === "workflow-unknown" ? null : "unheard";
}
