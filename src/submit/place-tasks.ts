/**
 * Hands tasks to one shard of their queue. Asked again only where nothing can have been written: with the settings that
 * the shard lacks, and once at another shard where the first one is full; or where an Idempotency-Key makes it one
 * submission however often it is sent. Without one, an answer that was lost is `outcome-unknown`.
 */
import { MIB } from "../../core/bytes.ts";
import type { TenantName } from "../../core/ids.ts";
import { packTasks } from "../../core/pack-tasks.ts";
import { anotherShard, bestShard, namedShard, placeTask, withoutStrays } from "../../core/placement.ts";
import type { Idempotency, Refusal } from "../../core/schema/answer.ts";
import type { QueueEntry } from "../../core/schema/directory-rpc.ts";
import type { NewTask, SubmitAnswer } from "../../core/schema/rpc.ts";
import type { Accepted } from "../../core/submit-answer.ts";
import type { TaskRecord } from "../../core/task.ts";
import { ask, PATIENCE_MS, refusal, timeLeft } from "../../reads/ask.ts";
import type { Door } from "../door.ts";

export interface Placed {
  readonly shard: number;
  readonly answer: Accepted;
}

export interface Load {
  readonly tenant: TenantName;
  readonly entry: QueueEntry;
  /** Their keys name one shard at most. */
  readonly tasks: readonly NewTask[];
  /** true: all or none. */
  readonly atomic: boolean;
  readonly idempotency: Idempotency | null;
  /** Unix ms. */
  readonly deadline: number;
  /** The one task repeats a finished one, in its shard. */
  readonly repeats?: { readonly shard: number; readonly record: TaskRecord };
}

/**
 * Characters of payload in one call: at two bytes each within the 32 MiB that RPC carries (PLATFORM, 1). BODY_LIMIT keeps
 * below it, but for numbers that are longer written out: 1e15.
 */
const MAX_PAYLOADS = 15 * MIB;
/** What a shard has for the first of two tries: there must be time for the second. */
const FIRST_TRY_MS = PATIENCE_MS / 2;

/** Another shard may have it: of what cannot be divided evenly some have a share of one more. */
const NO_ROOM: ReadonlySet<string> = new Set(["queue-full", "batch-too-large"]);

/** Where the tasks are now, or why they are nowhere (or perhaps somewhere: `outcome-unknown`). Never throws. */
export async function placeTasks(door: Door, load: Load): Promise<Placed | Refusal> {
  const { settings } = load.entry;
  const tooMuch = refuseTooMuch(load.tasks);
  if (tooMuch) return tooMuch;
  const named = load.repeats?.shard ?? namedShard(settings, load.tasks, load.idempotency?.key).shard;
  const shard = named ?? bestShard(settings, load.tasks) ?? placeTask(settings, null, door.ports.random());
  const answer = await submit(door, load, shard);
  if (answer.ok) return { shard, answer };
  if (answer.code === "queue-unknown" || answer.code === "settings-stale") return await placeAnew(door, load, answer);
  const isMovable = NO_ROOM.has(answer.code) && named === null;
  const other = isMovable ? anotherShard(settings, shard, door.ports.random()) : null;
  if (other === null) return answer;
  const second = await submit(door, load, other);
  return second.ok ? { shard: other, answer: second } : second;
}

/**
 * The queue that the tasks were placed by is no more, and nothing was written: placed once more where it was made again
 * and all of them still go to one shard.
 */
async function placeAnew(door: Door, load: Load, answer: Refusal): Promise<Placed | Refusal> {
  const { queue, settings } = load.entry;
  const found = await door.known.newest(queue, load.deadline);
  const entry = found.ok ? found.entry : null;
  if (entry !== null && entry.settings.version > settings.version) {
    const { astray } = namedShard(entry.settings, load.tasks, load.idempotency?.key);
    if (astray === null) return await placeTasks(door, { ...load, entry });
  } else if (answer.code === "queue-unknown") {
    door.known.forgetQueue(queue);
    return answer;
  }
  const detail = `The queue ${queue} was deleted and made again just now. The same request again goes to the new one.`;
  return { ...refusal("unavailable", detail), retryAfterMs: 1_000 };
}

/** null: a shard takes so much at once. */
export function refuseTooMuch(tasks: readonly NewTask[]): Refusal | null {
  return tasks.reduce((sum, task) => sum + task.payload.length, 0) > MAX_PAYLOADS
    ? refusal("body-too-large", "The payloads of the batch are more than a shard takes at once. Send it in parts.")
    : null;
}

async function submit(door: Door, load: Load, shard: number): Promise<SubmitAnswer> {
  if (load.idempotency === null) return await tell(door, load, shard, PATIENCE_MS);
  const first = await tell(door, load, shard, FIRST_TRY_MS);
  return !first.ok && first.code === "unavailable" ? await tell(door, load, shard, PATIENCE_MS) : first;
}

async function tell(door: Door, load: Load, shard: number, atMost: number): Promise<SubmitAnswer> {
  const first = await send(door, load, shard, atMost, false);
  return !first.ok && first.code === "settings-needed" ? await send(door, load, shard, atMost, true) : first;
}

function versionsOf({ version, generation }: QueueEntry["settings"]) {
  return { settingsVersion: version, generation };
}

function send(door: Door, load: Load, shard: number, atMost: number, withSettings: boolean): Promise<SubmitAnswer> {
  const { tenant, entry, atomic, idempotency, deadline, repeats } = load;
  const { queue, settings } = entry;
  const tasks = packTasks(withoutStrays(settings, load.tasks, shard));
  const plain = { v: 1 as const, ...versionsOf(settings), atomic, tasks };
  const known = idempotency === null ? plain : { ...plain, idempotency };
  const request = repeats === undefined ? known : { ...known, repeats: repeats.record };
  const ms = timeLeft(door.ports, deadline, atMost);
  // With a key whoever asks may come again by himself: to have it done twice is to have it done once.
  const lost = idempotency === null ? "outcome-unknown" : "unavailable";
  return ask(door.ports, door.log, { whom: `Shard ${shard} of ${queue}`, ms, lost }, () =>
    door.ports.shard({ tenant, queue, shard }).submit(withSettings ? { ...request, settings } : request),
  );
}
