/**
 * Results kept for equal tasks, as rows. `id` is the first 52 bits of the key: so a row is found without an index of its
 * own, and two keys that share them (unlikely) only drive each other out. Must stay true: what is kept is of a SUCCEEDED
 * task that was submitted after its type's last purge, and an older submission's result never takes a newer one's place.
 */
import { utf8Bytes } from "../../../core/bytes.ts";
import { MAX_CACHE_BYTES, MAX_CACHE_ROWS, MAX_CACHED_BYTES } from "../../../core/cache.ts";
import type { Seq } from "../../../core/ids.ts";
import type { CachePlace } from "../../../core/schema/cache-rpc.ts";
import type { Sql } from "../../sql/sql.ts";
import type { Shard } from "../shard.ts";

/** Of the covering index alone. */
const STATE = "SELECT count(*) AS rows, coalesce(sum(bytes), 0) AS bytes, min(expires_at) AS nextExpiry FROM cache";
const HEADS = `SELECT id, key, seq, at, expires_at AS expiresAt, bytes FROM cache
  WHERE id IN (SELECT value FROM json_each(?))`;
const RESULT = "SELECT result FROM cache WHERE id = ?";
const PURGED = "SELECT type, seq FROM cache_purge WHERE type IN (SELECT value FROM json_each(?))";
const KEEP = `INSERT OR REPLACE INTO cache (id, key, type, seq, at, expires_at, bytes, result)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?)`;
const SOONEST = "SELECT id, bytes FROM cache ORDER BY expires_at LIMIT 1000";
const PAST = "SELECT id, bytes FROM cache WHERE expires_at <= ? ORDER BY expires_at LIMIT 1000";
const OF_TYPE = "SELECT id, bytes FROM cache WHERE type = ?";
const OF_TASK = "SELECT id, bytes FROM cache WHERE seq = ?";
const FORGET = "DELETE FROM cache WHERE id IN (SELECT value FROM json_each(?))";
const NEXT = "SELECT min(expires_at) AS next FROM cache";
const MARK = "INSERT INTO cache_purge (type, seq) VALUES (?1, ?2) ON CONFLICT (type) DO UPDATE SET seq = ?2";

/** What a shard knows of its cache. */
export interface CacheState {
  rows: number;
  bytes: number;
  /** Never later than the first end (Unix ms); may be early, where a later result took one's place. */
  nextExpiry: number | null;
}

export interface CacheHead {
  readonly id: number;
  readonly key: string;
  /** The task whose result it is. */
  readonly seq: Seq;
  /** Unix ms. */
  readonly at: number;
  readonly expiresAt: number;
  readonly bytes: number;
}

/** A result that is to be kept. */
export interface Keepable extends CachePlace {
  readonly type: string;
  readonly seq: Seq;
  /** JSON text. */
  readonly result: string;
}

export function loadCache(sql: Sql): CacheState {
  return sql.all<CacheState>(STATE)[0] ?? { rows: 0, bytes: 0, nextExpiry: null };
}

export function idOf(key: string): number {
  return Number.parseInt(key.slice(0, 13), 16);
}

/** By id; the key may be another one that has the same. */
export function findHeads({ sql }: Shard, keys: readonly string[]): Map<number, CacheHead> {
  const heads = sql.all<CacheHead>(HEADS, JSON.stringify(keys.map(idOf)));
  return new Map(heads.map((head) => [head.id, head]));
}

/** JSON text. */
export function resultOf({ sql }: Shard, { id }: CacheHead): string {
  const [row] = sql.all<{ result: string }>(RESULT, id);
  if (!row) throw new Error(`the cache has no row ${id} any more`);
  return row.result;
}

/** Inside the transaction in which the tasks succeeded. */
export function keepResults(shard: Shard, results: readonly Keepable[], now: number): void {
  const { cache } = shard.memory;
  const before = findHeads(
    shard,
    results.map(({ key }) => key),
  );
  const purged = purgeMarks(shard, results);
  for (const { key, type, seq, ttlMs, result } of results) {
    const id = idOf(key);
    const head = before.get(id);
    if (ttlMs <= 0 || seq <= (purged.get(type) ?? 0)) continue;
    if (head?.key === key && head.seq > seq && head.expiresAt > now) continue;
    const bytes = utf8Bytes(result);
    if (bytes > MAX_CACHED_BYTES) continue;
    const next: CacheHead = { id, key, seq, at: now, expiresAt: now + ttlMs, bytes };
    shard.sql.run(KEEP, id, key, type, seq, now, next.expiresAt, bytes, result);
    before.set(id, next);
    cache.rows += head ? 0 : 1;
    cache.bytes += bytes - (head?.bytes ?? 0);
    cache.nextExpiry = Math.min(cache.nextExpiry ?? next.expiresAt, next.expiresAt);
  }
  if (cache.rows > MAX_CACHE_ROWS || cache.bytes > MAX_CACHE_BYTES) makeRoom(shard);
}

function purgeMarks({ sql }: Shard, results: readonly Keepable[]): Map<string, Seq> {
  const types = JSON.stringify([...new Set(results.map(({ type }) => type))]);
  return new Map(sql.all<{ type: string; seq: Seq }>(PURGED, types).map(({ type, seq }) => [type, seq]));
}

interface Row {
  readonly id: number;
  readonly bytes: number;
}

/** Those that end soonest go; at most a thousand at a time, and no more than it takes. */
function makeRoom(shard: Shard): void {
  let { rows, bytes } = shard.memory.cache;
  const gone: Row[] = [];
  for (const row of shard.sql.all<Row>(SOONEST)) {
    if (rows <= MAX_CACHE_ROWS && bytes <= MAX_CACHE_BYTES) break;
    gone.push(row);
    rows--;
    bytes -= row.bytes;
  }
  forget(shard, gone);
}

/** What is past its time, a thousand at most. Inside a transaction. */
export function forgetPastResults(shard: Shard, now: number): void {
  forget(shard, shard.sql.all<Row>(PAST, now));
}

/** Inside a transaction. @returns how many were kept */
export function forgetResultsOfType(shard: Shard, type: string): number {
  return forget(shard, shard.sql.all<Row>(OF_TYPE, type));
}

/** Inside a transaction. */
export function forgetResultOf(shard: Shard, seq: Seq): void {
  forget(shard, shard.sql.all<Row>(OF_TASK, seq));
}

/** Tasks of the type up to `seq` keep no result when they succeed. Inside a transaction. */
export function markPurged(shard: Shard, type: string, seq: number): void {
  shard.sql.run(MARK, type, seq);
}

function forget({ memory: { cache }, sql }: Shard, rows: readonly Row[]): number {
  if (rows.length > 0) sql.run(FORGET, JSON.stringify(rows.map(({ id }) => id)));
  cache.rows -= rows.length;
  for (const { bytes } of rows) cache.bytes -= bytes;
  cache.nextExpiry = sql.all<{ next: number | null }>(NEXT)[0]?.next ?? null;
  return rows.length;
}
