/**
 * Which tasks had their data deleted lately, as rows of `dedup`, which go by themselves. Whoever has read a record before
 * that and brings it back now (a flush whose rows D1 refused, a replay that was on its way) is told so and drops it.
 */
import type { Seq } from "../../../core/ids.ts";
import { erasedRow } from "../../../core/keys.ts";
import type { Shard } from "../shard.ts";
import { rememberKeys } from "../submit/dedup-rows.ts";

/** Longer than anything is under way. */
const MARK_MS = 3_600_000;
const FIND = "SELECT seq FROM dedup WHERE key IN (SELECT value FROM json_each(?))";

/** Inside a transaction. */
export function markErased(shard: Shard, seq: Seq, now: number): void {
  const key = erasedRow(seq);
  const plain = { within: null, createdAt: null, fingerprint: null, answer: null };
  rememberKeys(shard, new Map([[key, { key, seq, expiresAt: now + MARK_MS, ...plain }]]));
}

export function erasedAmong({ sql }: Shard, seqs: readonly Seq[]): Set<Seq> {
  const rows = sql.all<{ seq: Seq }>(FIND, JSON.stringify(seqs.map(erasedRow)));
  return new Set(rows.map(({ seq }) => seq));
}
