/**
 * Reads finished tasks from D1 by id, and counts those of a batch. Must stay true: a database that is away, hanging or
 * not migrated is said to be so and never read as "there is no such task"; what is past its time is not given any more,
 * whether retention has come to it or not.
 */
import type { Seq, ShardAddress } from "../core/ids.ts";
import type { HistoryDatabase, Ports } from "../core/ports.ts";
import type { FinishedStatus } from "../core/status.ts";
import { messageOf } from "./judge-error.ts";
import { type Detail, type HistoryRecord, recordOfRow } from "./record.ts";
import { within } from "./within.ts";

const HEAD = "seq, rev, status, type, created_at, ended_at, expires_at, result_expires_at, detail";
/** The key's columns are all given, so each task is one look-up; CROSS JOIN keeps the planner from turning it round. */
const BY_SEQ = `FROM (SELECT value AS wanted FROM json_each(?2)) CROSS JOIN history
  ON tenant = ?1 AND seq = wanted AND queue = ?3 AND shard = ?4 WHERE expires_at > ?5`;
const READ_HEADS = `SELECT ${HEAD}, 'null' AS payload, NULL AS result ${BY_SEQ}`;
const READ_WHOLE = `SELECT ${HEAD}, payload, iif(result_expires_at <= ?5, NULL, result) AS result ${BY_SEQ}`;
const COUNT = `SELECT status, count(*) AS count FROM history
  WHERE tenant = ?1 AND seq >= ?2 AND seq < ?3 AND queue = ?4 AND shard = ?5 AND expires_at > ?6 GROUP BY status`;

/** `reason` is for the log; the door answers 503 `history-unavailable`. */
export interface Unavailable {
  readonly ok: false;
  readonly reason: string;
}

export interface ReadOptions {
  /**
   * Payload and result too. Up to 1.3 MiB a task: for one task, or a few. Without, payload reads as JSON null and
   * result as null.
   */
  readonly texts: boolean;
  /** How long to wait. */
  readonly ms: number;
}

/**
 * Tasks of one shard, in the order of `seqs`; null for those that history does not have (yet, or any more). An expired
 * result is null, and `resultExpiresAt` tells.
 */
export async function readHistory(
  database: HistoryDatabase,
  { tenant, queue, shard }: ShardAddress,
  seqs: readonly Seq[],
  ports: Pick<Ports, "now" | "later">,
  { texts, ms }: ReadOptions,
): Promise<{ readonly ok: true; readonly tasks: readonly (HistoryRecord | null)[] } | Unavailable> {
  const statement = texts ? READ_WHOLE : READ_HEADS;
  try {
    const query = primaryOf(database).prepare(statement).bind(tenant, JSON.stringify(seqs), queue, shard, ports.now());
    const { results } = await within(ports, ms, query.run());
    const found = new Map((results as readonly ReadRow[]).map((row) => [row.seq, recordOf(row)]));
    return { ok: true, tasks: seqs.map((seq) => found.get(seq) ?? null) };
  } catch (error) {
    return { ok: false, reason: messageOf(error) };
  }
}

/** How many of the `count` tasks from `first` on history has, by status. FAILED ones may be in the shard as well. */
export async function countHistory(
  database: HistoryDatabase,
  { tenant, queue, shard }: ShardAddress,
  first: Seq,
  count: number,
  ports: Pick<Ports, "now" | "later">,
  ms: number,
): Promise<{ readonly ok: true; readonly counts: Readonly<Partial<Record<FinishedStatus, number>>> } | Unavailable> {
  try {
    const query = primaryOf(database)
      .prepare(COUNT)
      .bind(tenant, first, first + count, queue, shard, ports.now());
    const { results } = await within(ports, ms, query.run());
    return { ok: true, counts: Object.fromEntries(results.map((row) => [row.status, row.count])) };
  } catch (error) {
    return { ok: false, reason: messageOf(error) };
  }
}

/** A replica may be behind what was just written: reads by id ask the primary. */
function primaryOf(database: HistoryDatabase): Pick<HistoryDatabase, "prepare"> {
  return database.withSession?.("first-primary") ?? database;
}

interface ReadRow extends Record<string, unknown> {
  readonly seq: Seq;
  readonly rev: number;
  readonly status: FinishedStatus;
  readonly type: string;
  readonly created_at: number;
  readonly ended_at: number;
  readonly expires_at: number;
  readonly result_expires_at: number | null;
  readonly detail: string;
  readonly payload: string;
  readonly result: string | null;
}

function recordOf(row: ReadRow): HistoryRecord {
  return recordOfRow([
    row.seq,
    row.rev,
    row.status,
    row.type,
    row.created_at,
    row.ended_at,
    row.expires_at,
    row.result_expires_at,
    JSON.parse(row.detail) as Detail,
    row.payload,
    row.result,
  ]);
}
