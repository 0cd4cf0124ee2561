/** Tasks that wait are CANCELLED, those that run are asked to stop: a portion, in the order of their ids. */
import { cutByBytes, MAX_ANSWER_BYTES } from "../../../core/bytes.ts";
import type { Seq } from "../../../core/ids.ts";
import type { BulkRequest, LiveFilter } from "../../../core/schema/bulk-rpc.ts";
import type { UnfinishedStatus } from "../../../core/status.ts";
import type { Session } from "../memory.ts";
import type { Shard } from "../shard.ts";
import { historyBacklog } from "../submit/room.ts";
import { rowsOf, type TaskRow } from "../task-rows.ts";
import { askToStop } from "../waiting/ask-to-stop.ts";
import { leaveWaiting } from "../waiting/leave-waiting.ts";
import { NOTHING_LEFT, type PortionWork } from "./bulk-portion.ts";
import { matchLive } from "./match-tasks.ts";

const count = (where: string) => `SELECT count(*) AS count FROM task WHERE ${where} AND created_at <= ? AND seq <= ?`;
/** Where filters match little, a walk ends all the same: so many rows are looked at a portion. */
const WINDOW_END = "SELECT seq FROM task WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT 1 OFFSET ?";
const next = (where: string) => `SELECT seq, status, length(payload) AS chars FROM task
  WHERE ${where} AND created_at <= ? AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?`;

const LOOKED_AT = 20_000;
const EVER = Number.MAX_SAFE_INTEGER;

interface Found {
  readonly seq: Seq;
  readonly status: UnfinishedStatus;
  readonly chars: number;
}

/** @param asOf Unix ms; null: whenever they were submitted */
export function countLive(shard: Shard, filter: LiveFilter, asOf: number | null, upTo: number): number {
  const { where, values } = matchLive(filter);
  return shard.sql.all<{ count: number }>(count(where), ...values, asOf ?? EVER, upTo)[0]?.count ?? 0;
}

/** Inside a transaction. */
export function cancelPortion(shard: Shard, filter: LiveFilter, request: BulkRequest, now: number): PortionWork {
  const { memory, sql } = shard;
  const { asOf, upTo, most } = request;
  const after = request.after?.seq ?? 0;
  const nothing = { ended: [], asked: [] };
  const refusal = historyBacklog(memory);
  if (refusal) return { ...nothing, portion: { ...NOTHING_LEFT, after: request.after, more: true, refusal } };
  // Of ids that are told each is looked up, so there is no walk.
  const [further] = filter.seqs ? [] : sql.all<{ seq: number }>(WINDOW_END, after, upTo, LOOKED_AT);
  const end = further?.seq ?? upTo;
  const { where, values } = matchLive(filter);
  const found = sql.all<Found>(next(where), ...values, asOf ?? EVER, after, end, most);
  // As many as one transaction, and the records that it writes, may have.
  const [taken = []] = cutByBytes(found, ({ chars }) => chars, MAX_ANSWER_BYTES);
  const isCut = taken.length === most || taken.length < found.length;
  const place = isCut ? (taken.at(-1)?.seq ?? end) : end;

  const waiting = taken.filter(({ status }) => status !== "RUNNING").map(({ seq }) => seq);
  const rows = waiting.length === 0 ? [] : rowsOf(sql, waiting);
  const ended = rows.length === 0 ? [] : leaveWaiting(shard, rows, endingOf, now);
  const running = taken.filter(({ status }) => status === "RUNNING").map(({ seq }) => seq);
  const asked: Session[] = [];
  if (running.length > 0)
    for (const session of memory.sessions.values()) if (askToStop(shard, session, running, now)) asked.push(session);
  const portion = {
    ...NOTHING_LEFT,
    done: ended.length,
    stopping: running.length,
    after: { endedAt: 0, seq: place },
    more: place < upTo,
  };
  return { portion, ended, asked };
}

const endingOf = ({ status }: TaskRow) => ({ to: "CANCELLED", cause: `cancelled in bulk while ${status}` }) as const;
