/**
 * Keys under which a submission may be repeated, as a shard keeps them (table `dedup`). Each kind has its own prefix,
 * so that no caller's key can be another kind's; the fires of schedules have `sched:` (directory/fires/pending-fire.ts).
 */
import type { Seq } from "./ids.ts";
import { canonicalJson } from "./json.ts";
import type { Idempotency } from "./schema/answer.ts";
import type { Dedup } from "./schema/rpc.ts";
import type { SubmittedTask, Unique } from "./schema/submission.ts";

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
 * The key that a task is to be alone under, within its queue, type and limitKey: what `unique` names, else the type. The
 * limitKey is part of it because it decides the shard: a limit is kept at one, and two could not see each other's keys.
 * It is a hash, whatever was named: a key outlives its task's data, and may be somebody's address.
 * @param hash of a text, short and safe from collisions
 */
export async function uniqueOf(task: SubmittedTask, hash: (text: string) => Promise<string>): Promise<Dedup> {
  const { type, unique, limitKey = "", debounceSeconds, throttleSeconds } = task;
  const goesWith = unique?.by === "payload" ? ({ ofPayload: true } as const) : {};
  // Neither a type nor a limitKey has a space in it, so none runs over into the next.
  const alone = async (manner: "debounce" | "throttle" | "unique") =>
    `uniq:${await hash(`${manner} ${type} ${limitKey} ${namedBy(unique, task.payload)}`)}`;
  if (debounceSeconds !== undefined)
    return { key: await alone("debounce"), ttlMs: 0, within: "queued", onConflict: "replace", ...goesWith };
  if (throttleSeconds !== undefined)
    return { key: await alone("throttle"), ttlMs: throttleSeconds * 1_000, within: "window", ...goesWith };
  const { within = "window", windowSeconds = 0, onConflict = "return" } = unique ?? {};
  return { key: await alone("unique"), ttlMs: windowSeconds * 1_000, within, onConflict, ...goesWith };
}

function namedBy(unique: Unique | undefined, payload: unknown): string {
  if (unique === undefined) return "type";
  return unique.by === "key" ? `key ${unique.key}` : `payload ${canonicalJson(payload)}`;
}
