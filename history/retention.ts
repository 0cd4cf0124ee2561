/**
 * Forgets what is past its time: whole tasks, and results that expire earlier. History is walked by its key, from the
 * oldest, in portions of 1,000 rows that each read no more than those rows; the caller keeps the cursor between calls,
 * so no call scans the table and a long history only takes more calls. Repeating a portion changes nothing.
 */
import type { HistoryDatabase, HistoryStatement, Ports } from "../core/ports.ts";
import { messageOf } from "./judge-error.ts";
import type { Unavailable } from "./read.ts";
import { within } from "./within.ts";

export const PORTION_ROWS = 1_000;
export const PORTION_MS = 20_000;

/** The key of the last row walked. */
export interface RetentionCursor {
  readonly tenant: string;
  readonly seq: number;
  readonly queue: string;
  readonly shard: number;
}

export interface Retained {
  readonly ok: true;
  /** Where to go on; null: the end was reached, and the next walk begins at the oldest. */
  readonly cursor: RetentionCursor | null;
  /** Rows looked at, tasks deleted, results blanked. */
  readonly walked: number;
  readonly deleted: number;
  readonly blanked: number;
}

const KEY = "tenant, seq, queue, shard";
const GONE = "expires_at <= ?5";
const BLANK = "result IS NOT NULL AND result_expires_at <= ?5";
const LOOK = `WITH portion AS (
    SELECT ${KEY}, ${GONE} AS gone, (${BLANK}) AS blank FROM history
    WHERE (${KEY}) > (?1, ?2, ?3, ?4) ORDER BY ${KEY} LIMIT ${PORTION_ROWS}
  )
  SELECT ${KEY}, count(*) OVER () AS walked, sum(gone) OVER () AS gone, sum(blank) OVER () AS blank FROM portion
  ORDER BY tenant DESC, seq DESC, queue DESC, shard DESC LIMIT 1`;
const WITHIN = `(${KEY}) > (?1, ?2, ?3, ?4) AND (${KEY}) <= (?6, ?7, ?8, ?9)`;
const FORGET = `DELETE FROM history WHERE ${WITHIN} AND ${GONE}`;
const BLANK_RESULTS = `UPDATE history SET result = NULL WHERE ${WITHIN} AND ${BLANK}`;

/** What a portion holds, and where it ends. */
export interface Look {
  readonly to: RetentionCursor;
  readonly walked: number;
  /** Tasks and results past their time. */
  readonly gone: number;
  readonly blank: number;
  /** Nothing is behind it. */
  readonly isLast: boolean;
}

/** What the statements of a portion are bound to: the key before it, now, and its last key. */
export type WalkRange = readonly [...from: WalkStart, tenant: string, seq: number, queue: string, shard: number];
type WalkStart = readonly [tenant: string, seq: number, queue: string, shard: number, now: number];

/**
 * Walks `portions` portions on from `cursor` (null: from the oldest). A database that does not answer is told, and the
 * cursor that the caller has stays good.
 */
export async function retainHistory(
  database: HistoryDatabase,
  cursor: RetentionCursor | null,
  ports: Pick<Ports, "now" | "later">,
  portions = 10,
): Promise<Retained | Unavailable> {
  const done = { walked: 0, deleted: 0, blanked: 0 };
  let at = cursor;
  try {
    for (let i = 0; i < portions; i++) {
      const portion = await within(ports, PORTION_MS, walkPortion(database, at, ports.now()));
      done.walked += portion.walked;
      done.deleted += portion.deleted;
      done.blanked += portion.blanked;
      at = portion.cursor;
      if (at === null) break;
    }
    return { ok: true, cursor: at, ...done };
  } catch (error) {
    return { ok: false, reason: messageOf(error) };
  }
}

async function walkPortion(
  database: HistoryDatabase,
  cursor: RetentionCursor | null,
  now: number,
): Promise<Omit<Retained, "ok">> {
  const { look, range } = await lookAhead(database, cursor, now);
  if (!look || !range) return { cursor: null, walked: 0, deleted: 0, blanked: 0 };
  const work = sweepPast(database, look, range);
  const changes = work.length > 0 ? await database.batch(work) : [];
  return {
    cursor: look.isLast ? null : look.to,
    walked: look.walked,
    deleted: look.gone > 0 ? (changes[0]?.meta.changes ?? 0) : 0,
    blanked: look.blank > 0 ? (changes.at(-1)?.meta.changes ?? 0) : 0,
  };
}

type Ahead =
  | { readonly look: Look; readonly range: WalkRange }
  /** Nothing is there. */
  | { readonly look: null; readonly range: null };

/** The next portion after a key; null: from the oldest. */
export async function lookAhead(
  database: HistoryDatabase,
  cursor: RetentionCursor | null,
  now: number,
): Promise<Ahead> {
  // Below every key: no tenant is named "".
  const from = cursor ?? { tenant: "", seq: 0, queue: "", shard: 0 };
  const start: WalkStart = [from.tenant, from.seq, from.queue, from.shard, now];
  const { results } = await database
    .prepare(LOOK)
    .bind(...start)
    .run();
  const found = results[0] as (RetentionCursor & Pick<Look, "walked" | "gone" | "blank">) | undefined;
  if (!found) return { look: null, range: null };
  const { tenant, seq, queue, shard, walked, gone, blank } = found;
  const look = { to: { tenant, seq, queue, shard }, walked, gone, blank, isLast: walked < PORTION_ROWS };
  return { look, range: [...start, tenant, seq, queue, shard] };
}

/** What is to be done about it: tasks that go, then results. */
export function sweepPast(database: HistoryDatabase, look: Look, range: WalkRange): HistoryStatement[] {
  const work: HistoryStatement[] = [];
  if (look.gone > 0) work.push(database.prepare(FORGET).bind(...range));
  if (look.blank > 0) work.push(database.prepare(BLANK_RESULTS).bind(...range));
  return work;
}
