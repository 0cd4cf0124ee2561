/**
 * Keys under which a submission may be repeated, as a shard keeps them (table `dedup`). Each kind has its own prefix,
 * so that no caller's key can be another kind's; the fires of schedules have `sched:` (directory/pending-fire.ts).
 */
import type { Idempotency } from "./schema/rpc.ts";

/** How long an Idempotency-Key is remembered. */
export const IDEMPOTENCY_TTL_MS = 86_400_000;
export const MAX_IDEMPOTENCY_KEY = 255;

const VISIBLE_ASCII = /^[\x21-\x7e]+$/;

/** 1 to 255 visible ASCII characters. */
export function isIdempotencyKey(text: string): boolean {
  return text.length <= MAX_IDEMPOTENCY_KEY && VISIBLE_ASCII.test(text);
}

export function idempotencyRow({ key }: Pick<Idempotency, "key">): string {
  return `idem:${key}`;
}
