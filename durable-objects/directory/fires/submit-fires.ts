/**
 * Hands fires to their shards: one call for each shard, each fire for itself. A call that was lost is repeated under the
 * same dedup keys, so a fire is one task however often it is told. Never rejects.
 */
import { ERRORS, noSuchQueue } from "../../../core/errors.ts";
import { type QueueName, taskId } from "../../../core/ids.ts";
import type { Ports } from "../../../core/ports.ts";
import type { Refusal } from "../../../core/schema/answer.ts";
import type { QueueSettings } from "../../../core/schema/queue-settings.ts";
import type { NewTask, SubmitAnswer } from "../../../core/schema/rpc.ts";
import { callWithin } from "../../stubs.ts";
import { write } from "../perform.ts";
import { addressOf, findQueue } from "../queues/queue-entry.ts";
import { type DirectoryState, done, refuse } from "../state.ts";
import { askFires } from "./ask-fires.ts";
import { submitRuns } from "./fire-runs.ts";
import { fireKey, settleFired, settleRefused, settleUnanswered } from "./pending-fire.ts";
import type { OutgoingFire } from "./take-due.ts";
import { ANSWER_WITHIN_MS } from "./try-again.ts";

type TaskFire = Extract<OutgoingFire, { task: NewTask }>;

export async function submitFires(state: DirectoryState, fires: readonly OutgoingFire[]): Promise<void> {
  const sent = fires.filter((fire) => !fire.isAsked);
  const tasks = sent.filter((fire) => "task" in fire);
  const byShard = Map.groupBy(tasks, ({ queue, shard }) => `${queue}:${shard}`);
  const groups = [...byShard.values()].map((group) => submitGroup(state, group));
  const runs = submitRuns(
    state,
    sent.filter((fire) => "workflow" in fire),
  );
  const asked = askFires(
    state,
    fires.filter((fire) => fire.isAsked),
  );
  await Promise.all([...groups, runs, asked]);
}

/** All of one shard. */
async function submitGroup(state: DirectoryState, group: readonly TaskFire[]): Promise<void> {
  const [{ queue, shard }] = group as readonly [TaskFire, ...TaskFire[]];
  for (const fire of group) state.inFlight.add(fireKey(fire));
  const tasks = group.map((fire) => fire.task);
  const answer = await submitTo(state, queue, shard, tasks, ANSWER_WITHIN_MS);
  for (const fire of group) state.inFlight.delete(fireKey(fire));
  write(state, () => {
    for (const [index, fire] of group.entries()) settle(state, fire, index, answer);
    return done({});
  });
}

function settle(state: DirectoryState, fire: TaskFire, index: number, answer: SubmitAnswer): void {
  const seq = answer.ok ? (answer.seqs[index] ?? null) : null;
  if (seq !== null) {
    settleFired(state, fire, taskId(fire, seq));
    return;
  }
  const refusal = answer.ok ? answer.refused.find((one) => one.index === index) : answer;
  const { code, detail } = refusal ?? { code: "internal", detail: "the shard gave no reason" };
  if (code === "unavailable") settleUnanswered(state, fire);
  else settleRefused(state, fire, `${code} (queue ${fire.queue}): ${detail}`, isFinal(code));
}

/** Whether the same task would be refused for ever. */
function isFinal(code: Refusal["code"]): boolean {
  return code in ERRORS && !ERRORS[code as keyof typeof ERRORS].retryable;
}

/** Submits to one shard, with settings where it asks for them. Refused too: `queue-unknown`. Never rejects. */
export async function submitTo(
  state: DirectoryState,
  queue: QueueName,
  shard: number,
  tasks: readonly NewTask[],
  withinMs: number,
): Promise<SubmitAnswer> {
  const settings = findQueue(state, queue)?.settings;
  if (!settings) return refuse("queue-unknown", noSuchQueue(queue));
  const { ports } = state;
  const address = addressOf(state, queue, shard);
  return await callWithin(ports, withinMs, () => submitWithSettings(ports, address, settings, tasks));
}

async function submitWithSettings(
  ports: Ports,
  address: Parameters<Ports["shard"]>[0],
  settings: QueueSettings,
  tasks: readonly NewTask[],
): Promise<SubmitAnswer> {
  const request = { v: 1, settingsVersion: settings.version, atomic: false, tasks } as const;
  const answer = await ports.shard(address).submit(request);
  if (answer.ok || answer.code !== "settings-needed") return answer;
  return await ports.shard(address).submit({ ...request, settings });
}
