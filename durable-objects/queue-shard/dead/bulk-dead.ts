/** Dead letters are discarded, or become new tasks: a portion, the oldest end first. */
import { cutByBytes, MAX_ANSWER_BYTES } from "../../../core/bytes.ts";
import type { Seq } from "../../../core/ids.ts";
import { failureOf } from "../../../core/redrive-task.ts";
import type { BulkPlace, BulkPortion, BulkRequest, BulkWork } from "../../../core/schema/bulk-rpc.ts";
import type { Shard } from "../shard.ts";
import { roomIn } from "../submit/room.ts";
import { rowsOf } from "../task-rows.ts";
import { NOTHING_LEFT, type PortionWork } from "./bulk-portion.ts";
import { closeCount } from "./dead-letters.ts";
import { dropDead } from "./dead-rows.ts";
import { matchDead } from "./match-tasks.ts";
import { redriveRows } from "./redrive.ts";

/** Where filters match little, a walk ends all the same: so many rows are looked at a portion. */
const WINDOW_END = `SELECT ended_at AS endedAt, seq FROM task
  WHERE status = 'FAILED' AND (ended_at, seq) > (?, ?) AND ended_at <= ? ORDER BY ended_at, seq LIMIT 1 OFFSET ?`;
const next = (where: string) => `SELECT seq, ended_at AS endedAt, coalesce(dead_bytes, 0) AS bytes FROM task
  WHERE ${where} AND (ended_at, seq) > (?, ?) AND (ended_at, seq) <= (?, ?) ORDER BY ended_at, seq LIMIT ?`;
const NEWEST = "SELECT max(ended_at) AS at FROM task WHERE status = 'FAILED'";

const LOOKED_AT = 20_000;
/** Failures that an answer names. */
export const MOST_TOLD = 100;
/** So many take 25 ms (node:sqlite), as a thousand discarded do: nothing else moves meanwhile. */
export const MOST_REDRIVEN = 500;
const BEGINNING: BulkPlace = { endedAt: 0, seq: 0 };

interface Found extends BulkPlace {
  readonly seq: Seq;
  readonly bytes: number;
}

/** Unix ms; 0: there are none. */
export function newestEnd({ sql }: Shard): number {
  return sql.all<{ at: number | null }>(NEWEST)[0]?.at ?? 0;
}

type DeadWork = Extract<BulkWork, { readonly action: "discard" | "redrive" }>;

/** Inside a transaction. */
export function deadPortion(shard: Shard, work: DeadWork, request: BulkRequest, now: number): PortionWork {
  const { upTo } = request;
  closeCount(shard, upTo);
  const isRedrive = work.action === "redrive";
  const most = isRedrive ? Math.min(request.most, MOST_REDRIVEN) : request.most;
  const { room, refusal } = isRedrive ? roomIn(shard) : { room: most, refusal: null };
  const from = request.after ?? BEGINNING;
  const to = endOfWindow(shard, work, from, upTo);
  const found = find(shard, work, from, to, Math.min(most, Math.max(1, room)));
  const last = found.rows.at(-1);
  const stopped = { ...NOTHING_LEFT, after: request.after, more: true };
  // A full queue is in nobody's way where nothing is left to redrive.
  if (refusal && last) return told({ ...stopped, refusal });
  const reached = found.isCut && last ? { endedAt: last.endedAt, seq: last.seq } : to;
  const walked = { ...stopped, after: reached, more: reached.endedAt < upTo || found.isCut };
  const seqs = found.rows.map(({ seq }) => seq);
  if (work.action === "discard") return told({ ...walked, done: dropDead(shard, seqs) });

  const rows = rowsOf(shard.sql, seqs).sort((a, b) => (a.ended_at ?? 0) - (b.ended_at ?? 0) || a.seq - b.seq);
  const did = redriveRows(shard, rows, work.edit ?? {}, now);
  const failures = did.failures.slice(0, MOST_TOLD).map(failureOf);
  const counts = { done: did.records.length, failed: did.failures.length, failures };
  if (did.refusal === null) return told({ ...walked, ...counts });
  const seen = found.rows[did.seen - 1];
  const after = seen ? { endedAt: seen.endedAt, seq: seen.seq } : request.after;
  return told({ ...stopped, ...counts, after, refusal: did.refusal });
}

/** Of ids that are told each is looked up, so there is no walk. */
function endOfWindow({ sql }: Shard, { filter }: DeadWork, from: BulkPlace, upTo: number): BulkPlace {
  const end = { endedAt: upTo, seq: Number.MAX_SAFE_INTEGER };
  if (filter.seqs) return end;
  return sql.all<{ endedAt: number; seq: number }>(WINDOW_END, from.endedAt, from.seq, upTo, LOOKED_AT)[0] ?? end;
}

/** As many as one transaction, and what it writes, may have. */
function find({ sql }: Shard, { filter }: DeadWork, from: BulkPlace, to: BulkPlace, most: number) {
  const { where, values } = matchDead(filter);
  const place = [from.endedAt, from.seq, to.endedAt, to.seq] as const;
  const found = sql.all<Found>(next(where), ...values, ...place, most);
  const [rows = []] = cutByBytes(found, ({ bytes }) => bytes, MAX_ANSWER_BYTES);
  return { rows, isCut: found.length === most || rows.length < found.length };
}

function told(portion: BulkPortion): PortionWork {
  return { portion, ended: [], asked: [] };
}
