/**
 * Deleted queues whose history is to go, as rows: each is `due` at its moment, `waits` for the next walk of its database,
 * or `walks` with others; and one row a database that is walked, which alone is written as the walk goes on.
 */
import type { QueueName } from "../../../core/ids.ts";
import type { QueueEntry } from "../../../core/schema/directory-rpc.ts";
import type { RetentionCursor } from "../../../history/retention.ts";
import type { DirectoryState } from "../state.ts";

const NOTE = "INSERT OR REPLACE INTO gone (queue, generation, history, marks, try_at) VALUES (?, ?, ?, ?, ?)";
const COLUMNS = "queue, generation, history, marks, passes";
const DUE = `SELECT ${COLUMNS} FROM gone WHERE stage = 'due' AND try_at <= ?1`;
const UNKNOWN = `${DUE} AND marks LIKE '%null%' ORDER BY try_at LIMIT ?2`;
const KNOWN = `${DUE} AND marks NOT LIKE '%null%' ORDER BY try_at LIMIT ?2`;
const PUT_OFF = "UPDATE gone SET marks = ?3, try_at = ?4 WHERE queue = ?1 AND generation = ?2";
const END = "DELETE FROM gone WHERE queue = ? AND generation = ?";
const WAIT = "UPDATE gone SET stage = 'waits', marks = ?3 WHERE queue = ?1 AND generation = ?2";
const WALK = "INSERT INTO walk (history, cursor, try_at) VALUES (?, NULL, ?) ON CONFLICT (history) DO NOTHING";
const DUE_WALKS = "SELECT history, cursor FROM walk WHERE try_at <= ?";
const WALKING = `SELECT ${COLUMNS} FROM gone WHERE history = ? AND stage = 'walks'`;
const BEGIN = `UPDATE gone SET stage = 'walks' WHERE (queue, generation) IN
  (SELECT queue, generation FROM gone WHERE history = ?1 AND stage = 'waits' ORDER BY try_at LIMIT ?2)`;
const KEEP_WALK = "UPDATE walk SET cursor = ?2, try_at = ?3 WHERE history = ?1";
const LATER = "UPDATE gone SET stage = 'due', passes = passes + 1, try_at = ?2 WHERE history = ?1 AND stage = 'walks'";
const THROUGH = "DELETE FROM gone WHERE history = ?1 AND stage = 'walks' AND passes + 1 >= ?2";
const NO_WALK =
  "DELETE FROM walk WHERE history = ?1 AND NOT EXISTS (SELECT 1 FROM gone WHERE history = ?1 AND stage <> 'due')";

/** Queues of one walk: their marks are a parameter of each of its statements. */
const MOST_TOGETHER = 500;
const MOST_ASKED = 8;
/** A walk that begins: what is deleted in the same moments takes part. */
const GATHER_MS = 2_000;
/** More than the longest that ten portions take, so that they are not under way twice. */
const AGAIN_MS = 600_000;

export interface GoneRow {
  readonly queue: QueueName;
  readonly generation: number;
  readonly history: number;
  /** By shard, as JSON; null: it has not said yet. */
  readonly marks: string;
  readonly passes: number;
}

/** One walk of a database, for all of those queues. */
export interface DueWalk {
  readonly history: number;
  /** Null: from the tenant's oldest. */
  readonly cursor: RetentionCursor | null;
  readonly rows: readonly GoneRow[];
}

/** Inside the transaction that deletes the queue. @param at when its shards are asked first (Unix ms) */
export function insertGone(state: DirectoryState, { queue, settings, shardsEver }: QueueEntry, at: number): void {
  const marks = JSON.stringify(Array.from({ length: shardsEver }, () => null));
  state.sql.run(NOTE, queue, settings.generation, settings.history, marks, at);
}

/** Those whose marks are not all known, the first few: each has up to 64 shards, and an invocation may make 1,000 calls. */
export function dueToAsk(state: DirectoryState, now: number): GoneRow[] {
  return state.sql.all<GoneRow>(UNKNOWN, now, MOST_ASKED);
}

export function dueToWalk(state: DirectoryState, now: number): GoneRow[] {
  return state.sql.all<GoneRow>(KNOWN, now, MOST_TOGETHER);
}

/** Inside a transaction. */
export function putOffGone(state: DirectoryState, { queue, generation, marks }: GoneRow, at: number): void {
  state.sql.run(PUT_OFF, queue, generation, marks, at);
}

/** It takes part in the next walk of its database. Inside a transaction. */
export function joinWalk(state: DirectoryState, { queue, generation, history, marks }: GoneRow, now: number): void {
  state.sql.run(WAIT, queue, generation, marks);
  state.sql.run(WALK, history, now + GATHER_MS);
}

/** Inside a transaction. */
export function endGone(state: DirectoryState, { queue, generation }: GoneRow): void {
  state.sql.run(END, queue, generation);
}

/** One that has come to its end begins anew with those that wait. Each is put off. Inside a transaction. */
export function dueWalks(state: DirectoryState, now: number): DueWalk[] {
  const { sql } = state;
  return sql.all<{ history: number; cursor: string | null }>(DUE_WALKS, now).map(({ history, cursor }) => {
    if (sql.all(WALKING, history).length === 0) sql.run(BEGIN, history, MOST_TOGETHER);
    const rows = sql.all<GoneRow>(WALKING, history);
    sql.run(KEEP_WALK, history, cursor, now + AGAIN_MS);
    return { history, cursor: cursor === null ? null : (JSON.parse(cursor) as RetentionCursor), rows };
  });
}

/** Inside a transaction. @param at when it goes on (Unix ms) */
export function keepWalk(state: DirectoryState, history: number, cursor: RetentionCursor | null, at: number): void {
  state.sql.run(KEEP_WALK, history, cursor && JSON.stringify(cursor), at);
}

/**
 * It is at its end: who has taken part so often is through, the others are due again, and those that wait meanwhile
 * begin. Inside a transaction.
 * @param again when (Unix ms)
 */
export function endWalk(
  state: DirectoryState,
  history: number,
  { passes, again, now }: { readonly passes: number; readonly again: number; readonly now: number },
): void {
  state.sql.run(THROUGH, history, passes);
  state.sql.run(LATER, history, again);
  state.sql.run(KEEP_WALK, history, null, now + GATHER_MS);
  state.sql.run(NO_WALK, history);
}
