/**
 * Asks how fires stand whose ends were not heard of: a task at its shard, then in history, a run at its object. What
 * nobody knows any more runs no longer; where nobody answers, it may.
 */
import { parseRunId, type QueueName, type RunId, type TaskId, type TenantName } from "../../../core/ids.ts";
import type { FireEnd } from "../../../core/schema/workflow-rpc.ts";
import { isFinished } from "../../../core/status.ts";
import { findTasks, isFound, isNowhere } from "../../../reads/find-tasks.ts";
import { KnownQueues } from "../../../reads/known-queues.ts";
import type { TaskReader } from "../../../reads/reader.ts";
import { callWithin, fanOut, workflowOf } from "../../stubs.ts";
import { findQueue } from "../queues/queue-entry.ts";
import type { DirectoryState } from "../state.ts";
import { endFires } from "./end-fires.ts";
import { noteLost, type OpenFire } from "./fire-rows.ts";
import { releaseWaiting } from "./pending-fire.ts";

const ANSWER_WITHIN_MS = 2_500;
/** An end; why there is none to be known; null: it may run. */
type Seen = FireEnd | string | null;

export interface Look {
  readonly fire: OpenFire;
  readonly seen: Seen;
}

/** Each of them. Never rejects. */
export async function lookUp(state: DirectoryState, fires: readonly OpenFire[]): Promise<Look[]> {
  const runs = fires.filter(({ made }) => parseRunId(made) !== null);
  const tasks = fires.filter(({ made }) => parseRunId(made) === null);
  const [ofTasks, ofRuns] = await Promise.all([
    lookUpTasks(state, tasks),
    fanOut(runs, async (fire) => ({ fire, seen: await lookUpRun(state, fire, fire.made as RunId) })),
  ]);
  return [...ofTasks, ...ofRuns];
}

/** Writes down what was found out. Inside a transaction. */
export function noteLooks(state: DirectoryState, looks: readonly Look[]): void {
  for (const { fire, seen } of looks) {
    if (seen === null) continue;
    if (typeof seen !== "string") endFires(state, [seen]);
    else {
      noteLost(state, fire, seen);
      releaseWaiting(state, fire.schedule);
    }
  }
}

async function lookUpTasks(state: DirectoryState, fires: readonly OpenFire[]): Promise<Look[]> {
  const found = await findTasks(
    readerOf(state),
    state.name as TenantName,
    fires.map(({ made }) => made),
  );
  return fires.map((fire, i): Look => {
    const task = found[i];
    if (!task) return { fire, seen: null };
    if (!isFound(task)) return { fire, seen: isNowhere(task.code) ? task.detail : null };
    const { status, endedAt, error } = task.record;
    if (!isFinished(status)) return { fire, seen: null };
    const { schedule, fireAt } = fire;
    const told = error && { code: error.code, message: error.message };
    const end = { schedule, fireAt, made: fire.made as TaskId, status, error: told };
    return { fire, seen: { ...end, endedAt: endedAt ?? state.ports.now() } };
  });
}

async function lookUpRun(state: DirectoryState, { schedule, fireAt }: OpenFire, made: RunId): Promise<Seen> {
  const { ports } = state;
  const answer = await callWithin(ports, ANSWER_WITHIN_MS, () =>
    workflowOf(ports, state.name as TenantName, made).read({ v: 1, nodes: false }),
  );
  if (!answer.ok) return answer.code === "workflow-unknown" ? answer.detail : null;
  const { status, endedAt } = answer.run;
  if (status === "RUNNING") return null;
  return { schedule, fireAt, made, status, endedAt: endedAt ?? ports.now(), error: null };
}

/** What queues there are it knows itself. */
function readerOf(state: DirectoryState): TaskReader {
  const { ports } = state;
  const known = new KnownQueues(ports, state.name as TenantName, ports.log);
  return {
    ports,
    log: ports.log,
    known: {
      firstSeq: (at, entry, deadline) => known.firstSeq(at, entry, deadline),
      async queueOfShard(queue: QueueName, shard: number) {
        const entry = findQueue(state, queue);
        return entry && shard < entry.shardsEver ? entry : null;
      },
    },
  };
}
