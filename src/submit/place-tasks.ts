/**
 * Hands tasks to one shard of their queue. Asked again only where nothing can have been written: with the settings that
 * the shard lacks, and once at another shard where the first one is full. An answer that was lost is `outcome-unknown`:
 * submissions have no key of their own yet, so a second try could make the tasks twice.
 */
import { MIB } from "../../core/bytes.ts";
import type { TenantName } from "../../core/ids.ts";
import { packTasks } from "../../core/pack-tasks.ts";
import { anotherShard, placeTask } from "../../core/placement.ts";
import type { Refusal } from "../../core/schema/answer.ts";
import type { QueueEntry } from "../../core/schema/directory-rpc.ts";
import type { NewTask, SubmitAnswer } from "../../core/schema/rpc.ts";
import { ask, refusal, timeLeft } from "../ask.ts";
import type { Door } from "../door.ts";

export interface Placed {
  readonly shard: number;
  readonly answer: Extract<SubmitAnswer, { ok: true }>;
}

export interface Load {
  readonly tenant: TenantName;
  readonly entry: QueueEntry;
  readonly tasks: readonly NewTask[];
  /** true: all or none. */
  readonly atomic: boolean;
  /** Unix ms. */
  readonly deadline: number;
}

/**
 * Characters of payload in one call: at two bytes each within the 32 MiB that RPC carries (PLATFORM, 1). BODY_LIMIT keeps
 * below it, but for numbers that are longer written out: 1e15.
 */
const MAX_PAYLOADS = 15 * MIB;

/** Where the tasks are now, or why they are nowhere (or perhaps somewhere: `outcome-unknown`). Never throws. */
export async function placeTasks(door: Door, load: Load): Promise<Placed | Refusal> {
  const { settings } = load.entry;
  if (load.tasks.reduce((sum, task) => sum + task.payload.length, 0) > MAX_PAYLOADS)
    return refusal(
      "body-too-large",
      "The payloads of the batch are more than a shard takes at once. Send it in parts.",
    );
  const shard = placeTask(settings, null, door.ports.random());
  const answer = await submit(door, load, shard);
  if (answer.ok) return { shard, answer };
  if (answer.code === "queue-unknown") door.known.forgetQueue(load.entry.queue);
  const other = answer.code === "queue-full" ? anotherShard(settings, shard, door.ports.random()) : null;
  if (other === null) return answer;
  const second = await submit(door, load, other);
  return second.ok ? { shard: other, answer: second } : second;
}

async function submit(door: Door, load: Load, shard: number): Promise<SubmitAnswer> {
  const first = await send(door, load, shard, false);
  return !first.ok && first.code === "settings-needed" ? await send(door, load, shard, true) : first;
}

function send(door: Door, load: Load, shard: number, withSettings: boolean): Promise<SubmitAnswer> {
  const { tenant, entry, tasks, atomic, deadline } = load;
  const { queue, settings } = entry;
  const request = { v: 1 as const, settingsVersion: settings.version, atomic, tasks: packTasks(tasks) };
  const ms = timeLeft(door.ports, deadline);
  return ask(door.ports, door.log, { whom: `Shard ${shard} of ${queue}`, ms, lost: "outcome-unknown" }, () =>
    door.ports.shard({ tenant, queue, shard }).submit(withSettings ? { ...request, settings } : request),
  );
}
