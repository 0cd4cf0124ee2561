/**
 * Keys under which a submission may be repeated, as rows: what was made under each, and what it takes for that to count.
 * `fingerprint` and `answer` are an Idempotency-Key's alone; `within` is a unique task's.
 * Must stay true: the row of a task that was to be alone while it waits or runs goes in the transaction that ends that
 * task, and no sooner, unless another task has the key by then.
 */
import type { Seq } from "../../../core/ids.ts";
import { idempotencyRow } from "../../../core/keys.ts";
import type { Within } from "../../../core/schema/rpc.ts";
import { type Status, WAITING } from "../../../core/status.ts";
import type { Shard, Submitted } from "../shard.ts";

const FIND = `SELECT d.key, d.seq, d.expires_at AS expiresAt, d.within, d.created_at AS createdAt, d.fingerprint, d.answer,
    task.status, coalesce(task.attempt, 0) AS attempt
  FROM dedup AS d LEFT JOIN task ON task.seq = d.seq
  WHERE d.key IN (SELECT value FROM json_each(?1)) AND (d.expires_at > ?2 OR d.within IN ('queued', 'running'))`;
const REMEMBER = `INSERT OR REPLACE INTO dedup (key, seq, expires_at, within, created_at, fingerprint, answer)
  VALUES (?, ?, ?, ?, ?, ?, ?)`;
const FORGET = "DELETE FROM dedup WHERE key = ? AND seq = ?";
const RELEASE = `DELETE FROM dedup WHERE within IN ('queued', 'running')
  AND seq IN (SELECT value FROM json_each(?)) RETURNING seq`;
export const IS_ANY_HELD = "SELECT 1 AS one FROM dedup WHERE within IN ('queued', 'running') LIMIT 1";
/** Of those that go by time. */
export const NEXT_KEY = "SELECT min(expires_at) AS next FROM dedup WHERE ifnull(within, 'window') = 'window'";

/** A row as it is stored. */
export interface KeptKey {
  readonly key: string;
  readonly seq: Seq;
  /** Unix ms. */
  readonly expiresAt: number;
  /** null: as `window`. */
  readonly within: Within | null;
  /** Of its task, Unix ms; null in rows that were made before it was kept. */
  readonly createdAt: number | null;
  readonly fingerprint: string | null;
  /** From `storeAnswer`. */
  readonly answer: string | null;
}

/** The same, with how its task stands. */
export interface DedupRow extends KeptKey {
  /** null: it has left the shard. */
  readonly status: Status | null;
  /** How many attempts of it have begun. */
  readonly attempt: number;
}

/** The rows that count, of every key that the group brings. */
export function findKeys(shard: Shard, group: readonly Submitted[], now: number): Map<string, DedupRow> {
  const keys: string[] = [];
  for (const { request } of group) {
    if (request.idempotency) keys.push(idempotencyRow(request.idempotency));
    for (const { dedup } of request.tasks) if (dedup) keys.push(dedup.key);
  }
  if (keys.length === 0 || !shard.memory.hasTables) return new Map();
  const rows = shard.sql.all<DedupRow>(FIND, JSON.stringify(keys), now);
  return new Map(rows.filter(holds).map((row) => [row.key, row]));
}

/** Whether the key is its task's still; for a window SQL has looked at the time. */
function holds(row: DedupRow): boolean {
  if (row.within === "queued") return isWaiting(row) && row.attempt === 0;
  if (row.within === "running") return row.status !== null && row.status !== "FAILED";
  return true;
}

export function isWaiting({ status }: Pick<DedupRow, "status">): boolean {
  return status !== null && (WAITING as readonly Status[]).includes(status);
}

/** Inside a transaction. */
export function rememberKeys(shard: Shard, rows: ReadonlyMap<string, KeptKey>): void {
  const { memory, sql } = shard;
  for (const { key, seq, expiresAt, within, createdAt, fingerprint, answer } of rows.values()) {
    sql.run(REMEMBER, key, seq, expiresAt, within, createdAt, fingerprint, answer);
    if (within === "queued" || within === "running") memory.hasHeldKeys = true;
    else memory.dedupExpiry = Math.min(memory.dedupExpiry ?? expiresAt, expiresAt);
  }
}

/** A task has the key no more, if it had. Inside a transaction. */
export function forgetKey({ memory, sql }: Shard, key: string, seq: Seq): void {
  sql.run(FORGET, key, seq);
  memory.hasHeldKeys = sql.all(IS_ANY_HELD).length > 0;
}

/** Tasks have ended: the keys that were theirs until then are free. Inside that transaction; a queue without such keys pays nothing. */
export function releaseKeys({ memory, sql }: Shard, ended: readonly { readonly seq: Seq }[]): void {
  if (!memory.hasHeldKeys || ended.length === 0) return;
  if (sql.all(RELEASE, JSON.stringify(ended.map(({ seq }) => seq))).length === 0) return;
  memory.hasHeldKeys = sql.all(IS_ANY_HELD).length > 0;
}
