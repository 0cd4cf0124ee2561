/**
 * The shard's dead letters: listed, grouped by cause, discarded. Their rows are the truth, so all of it works while D1
 * is away; what is discarded goes from here and stays in history as what it was.
 */
import type { AttemptError } from "../../core/errors.ts";
import type { Versioned } from "../../core/schema/answer.ts";
import type {
  DeadFilter,
  DeadGroup,
  DiscardAnswer,
  DiscardRequest,
  GroupDeadAnswer,
  ListDeadAnswer,
  ListDeadRequest,
} from "../../core/schema/dead-letters-rpc.ts";
import { refuse, type Shard } from "./shard.ts";
import { recordOf, TASK_COLUMNS, type TaskRow } from "./task-rows.ts";

/** Errors that the shard made itself (crashed, poisoned) have no fingerprint: their code says the cause. */
const CAUSE = "coalesce(json_extract(error, '$.fingerprint'), json_extract(error, '$.code'))";
/** ?1 type, ?2 code, ?3 cause, null: any; ?4 to ?5 the seqs. */
const MATCHES = `status = 'FAILED' AND seq BETWEEN ?4 AND ?5 AND (?1 IS NULL OR type = ?1)
  AND (?2 IS NULL OR json_extract(error, '$.code') = ?2) AND (?3 IS NULL OR ${CAUSE} = ?3)`;

const LIST = `SELECT ${TASK_COLUMNS} FROM task WHERE ${MATCHES} AND ended_at <= ?6 AND (ended_at < ?6 OR seq < ?7)
  ORDER BY ended_at DESC, seq DESC LIMIT ?8`;
// With one max(), SQLite takes the other columns from its row: hence two statements.
const GROUP = `SELECT type, ${CAUSE} AS fingerprint, count(*) AS count, max(ended_at) AS lastAt, seq AS example, error
  FROM task WHERE ${MATCHES} GROUP BY type, fingerprint ORDER BY count DESC LIMIT ?6`;
const FIRSTS = `SELECT type, ${CAUSE} AS fingerprint, min(ended_at) AS firstAt FROM task WHERE ${MATCHES} GROUP BY type, fingerprint`;
const COUNT = `SELECT count(*) AS count FROM task WHERE ${MATCHES} AND ended_at <= ?6`;
const DISCARD = `DELETE FROM task WHERE seq IN
  (SELECT seq FROM task WHERE ${MATCHES} AND ended_at <= ?6 ORDER BY ended_at LIMIT ?7)`;
const OLDEST = "SELECT min(ended_at) AS oldest FROM task WHERE status = 'FAILED'";

export const MAX_LISTED = 100;
export const MAX_GROUPS = 100;
/** A transaction of so many takes about 20 ms. */
const MOST = 1_000;

type Matched = readonly [type: string | null, code: string | null, cause: string | null, first: number, last: number];

function matching({ seq, type, code, fingerprint }: DeadFilter): Matched {
  return [type ?? null, code ?? null, fingerprint ?? null, seq ?? 0, seq ?? Number.MAX_SAFE_INTEGER];
}

export function listDead(shard: Shard, { filter, after, limit, texts }: ListDeadRequest): ListDeadAnswer {
  if (limit > (texts ? 1 : MAX_LISTED))
    return refuse("invalid-request", `at most ${MAX_LISTED} a call, or one with its payload`);
  if (!shard.memory.hasTables) return { v: 1, ok: true, tasks: [] };
  const { endedAt, seq } = after ?? { endedAt: Number.MAX_SAFE_INTEGER, seq: 0 };
  const rows = shard.sql.all<TaskRow>(LIST, ...matching(filter), endedAt, seq, limit);
  const records = rows.map((row) => recordOf(row));
  return { v: 1, ok: true, tasks: texts ? records : records.map((record) => ({ ...record, payload: "null" })) };
}

export function groupDead(shard: Shard, { filter }: Versioned & { readonly filter: DeadFilter }): GroupDeadAnswer {
  if (!shard.memory.hasTables) return { v: 1, ok: true, groups: [], more: false };
  const those = matching(filter);
  const key = ({ type, fingerprint }: Pick<DeadGroup, "type" | "fingerprint">) => JSON.stringify([type, fingerprint]);
  type First = Pick<DeadGroup, "type" | "fingerprint" | "firstAt">;
  const firsts = new Map(shard.sql.all<First>(FIRSTS, ...those).map((row) => [key(row), row.firstAt]));
  type Row = Omit<DeadGroup, "error" | "firstAt"> & { readonly error: string };
  const rows = shard.sql.all<Row>(GROUP, ...those, MAX_GROUPS + 1);
  const groups = rows.slice(0, MAX_GROUPS).map((row): DeadGroup => {
    return { ...row, firstAt: firsts.get(key(row)) ?? row.lastAt, error: JSON.parse(row.error) as AttemptError };
  });
  return { v: 1, ok: true, groups, more: rows.length > MAX_GROUPS };
}

export function discardDead(shard: Shard, { filter, asOf, dryRun }: DiscardRequest): DiscardAnswer {
  const { memory, sql } = shard;
  if (!memory.hasTables) return { v: 1, ok: true, count: 0, more: false };
  const those = [...matching(filter), asOf] as const;
  const found = sql.all<{ count: number }>(COUNT, ...those)[0]?.count ?? 0;
  if (dryRun || found === 0) return { v: 1, ok: true, count: found, more: false };
  const count = Math.min(found, MOST);
  shard.transact(() => {
    sql.run(DISCARD, ...those, MOST);
    memory.dead.count -= count;
    memory.dead.oldest = sql.all<{ oldest: number | null }>(OLDEST)[0]?.oldest ?? null;
  });
  return { v: 1, ok: true, count, more: found > count };
}
