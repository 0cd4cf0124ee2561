/**
 * The shard's dead letters: listed, grouped by cause, discarded. Their rows are the truth, so all of it works while D1
 * is away; what is discarded goes from here and stays in history as what it was.
 */
import type { AttemptError } from "../../../core/errors.ts";
import type { Seq } from "../../../core/ids.ts";
import type {
  DeadFilter,
  DeadGroup,
  DeadPlace,
  DiscardAnswer,
  DiscardRequest,
  GroupDeadAnswer,
  GroupDeadRequest,
  ListDeadAnswer,
  ListDeadRequest,
} from "../../../core/schema/dead-letters-rpc.ts";
import { refuse, type Shard } from "../shard.ts";
import { recordOf, TASK_COLUMNS, TASK_HEADS, type TaskRow } from "../task-rows.ts";
import { dropDead, MOST_DEAD } from "./dead-rows.ts";
import { CAUSE, matchDead } from "./match-tasks.ts";

const list = (where: string, columns: string) => `SELECT ${columns} FROM task WHERE ${where}
  AND ended_at <= ? AND (ended_at < ? OR seq < ?) ORDER BY ended_at DESC, seq DESC LIMIT ?`;
// With one max(), SQLite takes the other columns from its row: hence two statements.
const group = (where: string) => `SELECT type, ${CAUSE} AS fingerprint, count(*) AS count, max(ended_at) AS lastAt,
  seq AS example, json_remove(error, '$.stack') AS error FROM task WHERE ${where} GROUP BY 1, 2
  HAVING (-count(*), type, fingerprint) > (?, ?, ?) ORDER BY count DESC, type, fingerprint LIMIT ?`;
const firsts = (where: string) =>
  `SELECT type, ${CAUSE} AS fingerprint, min(ended_at) AS firstAt FROM task WHERE ${where} GROUP BY 1, 2`;
const count = (where: string) => `SELECT count(*) AS count FROM task WHERE ${where} AND ended_at <= ?`;
const oldest = (where: string) =>
  `SELECT seq, ended_at AS endedAt FROM task WHERE ${where} AND (ended_at, seq) > (?, ?) AND ended_at <= ?
  ORDER BY ended_at, seq LIMIT ${MOST_DEAD + 1}`;

export const MAX_LISTED = 100;
export const MAX_GROUPS = 1_000;
/** A moment further ahead than clocks differ is nobody's count. */
const CLOCKS_DIFFER_MS = 60_000;

export function listDead(shard: Shard, { filter, after, limit, texts }: ListDeadRequest): ListDeadAnswer {
  if (limit > (texts ? 1 : MAX_LISTED))
    return refuse("invalid-request", `at most ${MAX_LISTED} a call, or one with its payload`);
  if (!shard.memory.hasTables) return { v: 1, ok: true, tasks: [] };
  const { where, values } = matchDead(filter);
  const { endedAt, seq } = after ?? { endedAt: Number.MAX_SAFE_INTEGER, seq: 0 };
  const statement = list(where, texts ? TASK_COLUMNS : TASK_HEADS);
  const rows = shard.sql.all<TaskRow>(statement, ...values, endedAt, endedAt, seq, limit);
  return { v: 1, ok: true, tasks: rows.map((row) => recordOf(row)) };
}

export function groupDead(shard: Shard, { filter, after }: GroupDeadRequest): GroupDeadAnswer {
  if (!shard.memory.hasTables) return { v: 1, ok: true, groups: [], more: false };
  const { where, values } = matchDead(filter);
  const key = ({ type, fingerprint }: Pick<DeadGroup, "type" | "fingerprint">) => JSON.stringify([type, fingerprint]);
  type First = Pick<DeadGroup, "type" | "fingerprint" | "firstAt">;
  const first = new Map(shard.sql.all<First>(firsts(where), ...values).map((row) => [key(row), row.firstAt]));
  const from = after ? [-after.count, after.type, after.fingerprint] : [-Number.MAX_SAFE_INTEGER, "", ""];
  type Row = Omit<DeadGroup, "error" | "firstAt"> & { readonly error: string };
  const rows = shard.sql.all<Row>(group(where), ...values, ...from, MAX_GROUPS + 1);
  const groups = rows.slice(0, MAX_GROUPS).map((row): DeadGroup => {
    return { ...row, firstAt: first.get(key(row)) ?? row.lastAt, error: JSON.parse(row.error) as AttemptError };
  });
  return { v: 1, ok: true, groups, more: rows.length > MAX_GROUPS };
}

export function discardDead(shard: Shard, { filter, asOf, dryRun, after }: DiscardRequest): DiscardAnswer {
  if (!shard.memory.hasTables) return { v: 1, ok: true, count: 0, more: false };
  if (dryRun) return { v: 1, ok: true, count: countDead(shard, filter, asOf), more: false };
  closeCount(shard, asOf);
  const { where, values } = matchDead(filter);
  const from = after ?? { endedAt: 0, seq: 0 };
  const found = shard.sql.all<DeadPlace & { seq: Seq }>(oldest(where), ...values, from.endedAt, from.seq, asOf);
  const portion = found.slice(0, MOST_DEAD);
  const last = portion.at(-1);
  if (last === undefined) return { v: 1, ok: true, count: 0, more: false };
  const seqs = portion.map(({ seq }) => seq);
  const dropped = shard.transact(() => dropDead(shard, seqs));
  return { v: 1, ok: true, count: dropped, more: found.length > MOST_DEAD, after: last };
}

/** How many of them had ended by a moment (Unix ms): from now on no more do. */
export function countDead(shard: Shard, filter: DeadFilter, asOf: number): number {
  closeCount(shard, asOf);
  const { where, values } = matchDead(filter);
  return shard.sql.all<{ count: number }>(count(where), ...values, asOf)[0]?.count ?? 0;
}

/** What dies from now on ended later than that (Unix ms), whatever the clock of whom it was counted for. */
export function closeCount({ memory, ports }: Shard, asOf: number): void {
  if (asOf <= ports.now() + CLOCKS_DIFFER_MS) memory.deadCountedTo = Math.max(memory.deadCountedTo, asOf);
}
