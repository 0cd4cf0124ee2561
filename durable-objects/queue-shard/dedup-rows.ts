/**
 * Keys under which a submission may be repeated, as rows: what was made under each, and until when that counts.
 * `fingerprint` and `answer` are an Idempotency-Key's alone.
 */
import type { Seq } from "../../core/ids.ts";
import { idempotencyRow } from "../../core/keys.ts";
import type { PendingSubmission, Shard } from "./shard.ts";

const FIND = `SELECT key, seq, expires_at AS expiresAt, fingerprint, answer FROM dedup
  WHERE key IN (SELECT value FROM json_each(?1)) AND expires_at > ?2`;
const REMEMBER = "INSERT OR REPLACE INTO dedup (key, seq, expires_at, fingerprint, answer) VALUES (?, ?, ?, ?, ?)";

export interface DedupRow {
  readonly key: string;
  readonly seq: Seq;
  /** Unix ms. */
  readonly expiresAt: number;
  readonly fingerprint: string | null;
  /** From `storeAnswer`. */
  readonly answer: string | null;
}

/** The rows that still count, of every key that the group brings. */
export function findKeys(
  shard: Shard,
  group: readonly PendingSubmission[],
  now: number,
): ReadonlyMap<string, DedupRow> {
  const keys: string[] = [];
  for (const { request } of group) {
    if (request.idempotency) keys.push(idempotencyRow(request.idempotency));
    for (const { dedup } of request.tasks) if (dedup) keys.push(dedup.key);
  }
  if (keys.length === 0 || !shard.memory.hasTables) return NONE;
  return new Map(shard.sql.all<DedupRow>(FIND, JSON.stringify(keys), now).map((row) => [row.key, row]));
}

const NONE: ReadonlyMap<string, DedupRow> = new Map();

/** Inside a transaction. */
export function rememberKeys(shard: Shard, rows: ReadonlyMap<string, DedupRow>): void {
  const { memory, sql } = shard;
  for (const { key, seq, expiresAt, fingerprint, answer } of rows.values()) {
    sql.run(REMEMBER, key, seq, expiresAt, fingerprint, answer);
    memory.dedupExpiry = Math.min(memory.dedupExpiry ?? expiresAt, expiresAt);
  }
}
