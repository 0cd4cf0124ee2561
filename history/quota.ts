/**
 * How much history a queue may have (`historyMaxBytes`), worked out as the walk of retention passes: what it passes it
 * counts, and in the walk after that the oldest go, until as much is gone as was too much. Pure.
 */
import type { RetentionCursor } from "./retention.ts";

export interface Quota {
  readonly tenant: string;
  readonly queue: string;
  readonly maxBytes: number;
}

/** Bytes by queue: of the last whole walk, less what went since; and of the walk under way. */
export interface Usage {
  readonly total: Readonly<Record<string, number>>;
  readonly counted: Readonly<Record<string, number>>;
}

/** A row of a queue that has a quota. */
export interface Weighed extends RetentionCursor {
  readonly bytes: number;
  /** Those of them that go by age: all, its result, or none. */
  readonly freed: number;
}

export const NO_USAGE: Usage = { total: {}, counted: {} };

const nameOf = ({ tenant, queue }: Pick<Quota, "tenant" | "queue">) => `${tenant}:${queue}`;

/**
 * Rows that the walk passes, the oldest first.
 * @returns the keys of those that are too much, and the usage after them
 */
export function pass(
  rows: readonly Weighed[],
  usage: Usage,
  quotas: readonly Quota[],
): { readonly doomed: readonly RetentionCursor[]; readonly usage: Usage } {
  const total = { ...usage.total };
  const counted = { ...usage.counted };
  const most = new Map(quotas.map((quota) => [nameOf(quota), quota.maxBytes]));
  const doomed: RetentionCursor[] = [];
  for (const { tenant, seq, queue, shard, bytes, freed } of rows) {
    const name = nameOf({ tenant, queue });
    const max = most.get(name);
    if (max === undefined) continue;
    const known = total[name] ?? 0;
    const left = bytes - freed;
    if (left > 0 && known - freed > max) {
      doomed.push({ tenant, seq, queue, shard });
      total[name] = known - bytes;
    } else {
      total[name] = Math.max(0, known - freed);
      counted[name] = (counted[name] ?? 0) + left;
    }
  }
  return { doomed, usage: { total, counted } };
}

/** What the next walk knows when one has come to its end; whether any queue has too much. */
export function endWalk(
  { counted }: Usage,
  quotas: readonly Quota[],
): { readonly usage: Usage; readonly isOver: boolean } {
  const isOver = quotas.some((quota) => (counted[nameOf(quota)] ?? 0) > quota.maxBytes);
  return { usage: { total: counted, counted: {} }, isOver };
}
