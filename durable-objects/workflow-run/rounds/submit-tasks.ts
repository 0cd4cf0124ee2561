/** How a run submits tasks: to one shard, under a key that makes the same again the same. */
import { ERRORS } from "../../../core/errors.ts";
import type { QueueName } from "../../../core/ids.ts";
import { packTasks } from "../../../core/pack-tasks.ts";
import type { Refusal } from "../../../core/schema/answer.ts";
import type { QueueEntry } from "../../../core/schema/directory-rpc.ts";
import type { NewTask, RefusedTask, SubmitAnswer } from "../../../core/schema/rpc.ts";
import type { NodeTask, PartOf } from "../../../core/schema/workflow-rpc.ts";
import { callWithin } from "../../stubs.ts";
import type { RunNode } from "../node-rows.ts";
import { ANSWER_WITHIN_MS } from "../reach.ts";
import { type Run, refuse } from "../run.ts";

/** A portion is sent again until it is answered; a queue may be full, or away, for long. */
const KEY_TTL_MS = 30 * 86_400_000;

/** Whether the same task would be refused for ever. */
export function isFinal(code: string): boolean {
  return Object.hasOwn(ERRORS, code) && !ERRORS[code as keyof typeof ERRORS].retryable;
}

export type Refused = Pick<RefusedTask, "detail"> & { readonly code: string };

/** Why a task of those that were sent was not taken. */
export function refusalOf(answer: SubmitAnswer, index: number): Refused {
  if (!answer.ok) return answer;
  return answer.refused.find((one) => one.index === index) ?? { code: "internal", detail: "the shard gave no reason" };
}

/** A node's task as it is submitted; times count from now. */
export function plainTask(run: Run, task: NodeTask, partOf: PartOf | null): NewTask {
  const { type, version, priority, payload, options, limitKey, fairnessKey } = task;
  const told = options === null ? {} : (JSON.parse(options) as object);
  return {
    type,
    version,
    priority,
    payload,
    ...timesOf(task, run.ports.now()),
    options: partOf ? JSON.stringify({ ...told, partOf }) : options,
    ...(limitKey !== undefined && { limitKey }),
    ...(fairnessKey !== undefined && { fairnessKey }),
  };
}

/** From when and until when it may begin (Unix ms), released at `now`. */
export function timesOf({ delayMs, runAt, ttlMs }: NodeTask, now: number): Pick<NewTask, "runAt" | "expiresAt"> {
  const later = Math.max(delayMs === null ? 0 : now + delayMs, runAt ?? 0);
  const at = later > now ? later : null;
  return { runAt: at, ...(ttlMs !== null && { expiresAt: (at ?? now) + ttlMs }) };
}

/** The queue of a node, or why none can be there. */
export async function queueOf(run: Run, { queue, shard }: NonNullable<RunNode["at"]>): Promise<QueueEntry | Refusal> {
  const entry = await run.known.queue(queue, true, run.ports.now() + ANSWER_WITHIN_MS);
  if (!entry) return refuse("queue-unknown", `there is no queue ${queue}`);
  const { settings, shardsEver } = entry;
  return shard < Math.max(shardsEver, settings.shards, settings.keyShards)
    ? entry
    : refuse("queue-unknown", `${queue} was made again, with fewer shards`);
}

/** To one shard, with settings where it asks for them. @param key makes the same again the same */
export async function submit(
  run: Run,
  at: NonNullable<RunNode["at"]>,
  entry: QueueEntry | Refusal,
  tasks: readonly NewTask[],
  key: string,
): Promise<SubmitAnswer> {
  if (!("settings" in entry)) return entry;
  const { ports, tenant } = run;
  const { settings } = entry;
  const idempotency = { key, fingerprint: "run", ttlMs: KEY_TTL_MS };
  const request = {
    v: 1,
    settingsVersion: settings.version,
    generation: settings.generation,
    atomic: false,
    tasks: packTasks(tasks),
    idempotency,
  } as const;
  const address = { tenant, ...at };
  const send = (withSettings: boolean) =>
    callWithin<SubmitAnswer>(ports, ANSWER_WITHIN_MS, () =>
      ports.shard(address).submit(withSettings ? { ...request, settings } : request),
    );
  const first = await send(false);
  const answer = !first.ok && first.code === "settings-needed" ? await send(true) : first;
  if (answer.ok) return answer;
  // What is remembered of the queue is of one that was deleted.
  if (answer.code === "settings-stale") run.known.forgetQueue(at.queue);
  return answer.code === "queue-unknown" ? await askAnew(run, at.queue, settings.version, answer) : answer;
}

/** A shard has heard that its queue was deleted, and perhaps not that it was made again since: then it is no last word. */
async function askAnew(run: Run, queue: QueueName, version: number, answer: Refusal): Promise<Refusal> {
  const found = await run.known.newest(queue, run.ports.now() + ANSWER_WITHIN_MS);
  if (!found.ok) return found;
  if (found.entry !== null && found.entry.settings.version > version)
    return refuse("unavailable", `${queue} was deleted and made again just now`);
  run.known.forgetQueue(queue);
  return answer;
}
