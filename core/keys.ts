/**
 * Keys under which a submission may be repeated, as a shard keeps them (table `dedup`). Each kind has its own prefix,
 * so that no caller's key can be another kind's; the fires of schedules have `sched:` (directory/pending-fire.ts).
 */
import type { Seq } from "./ids.ts";
import { canonicalJson } from "./json.ts";
import type { Dedup, Idempotency } from "./schema/rpc.ts";
import type { SubmittedTask } from "./schema/submission.ts";

/** How long an Idempotency-Key is remembered. */
export const IDEMPOTENCY_TTL_MS = 86_400_000;

const CALLERS_KEY = /^[\x21-\x7e]{1,255}$/;

/** What a caller may name an Idempotency-Key or a unique task: 1 to 255 visible ASCII characters. */
export function isCallersKey(text: string): boolean {
  return CALLERS_KEY.test(text);
}

export function idempotencyRow({ key }: Pick<Idempotency, "key">): string {
  return `idem:${key}`;
}

/** Not a key, but a mark that goes by itself like one: the task's data was deleted. */
export function erasedRow(seq: Seq): string {
  return `erased:${seq}`;
}

/**
 * A row is looked at so long after its task was to run, whether the key is still needed; then after as long again as
 * the task is old, at most a month, so that a task which waits for a month costs ten looks.
 */
export const FIRST_LOOK_MS = 3_600_000;
export const LAST_LOOK_MS = 30 * 86_400_000;

/**
 * The key that a task is to be alone under, within its queue, type and limitKey: what `unique` names, else the type. The
 * limitKey is part of it because it decides the shard: a limit is kept at one, and two could not see each other's keys.
 * @param hash of a text, short and safe from collisions; asked where the payload is the key
 */
export async function uniqueOf(task: SubmittedTask, hash: (text: string) => Promise<string>): Promise<Dedup> {
  const { type, unique, limitKey, debounceSeconds, throttleSeconds } = task;
  // Neither a type nor a key of a caller's has a space in it, so none runs over into the next.
  const ofLimit = limitKey === undefined ? "" : ` ${limitKey}`;
  let key = `uniq:type:${type}${ofLimit}`;
  if (unique?.by === "key") key = `uniq:key:${type} ${unique.key}${ofLimit}`;
  else if (unique) key = `uniq:payload:${type} ${await hash(canonicalJson(task.payload))}${ofLimit}`;
  if (debounceSeconds !== undefined) return { key, ttlMs: FIRST_LOOK_MS, within: "queued", onConflict: "replace" };
  if (throttleSeconds !== undefined) return { key, ttlMs: throttleSeconds * 1_000, within: "window" };
  const { within = "window", windowSeconds = 0, onConflict = "return" } = unique ?? {};
  return { key, ttlMs: within === "window" ? windowSeconds * 1_000 : FIRST_LOOK_MS, within, onConflict };
}
