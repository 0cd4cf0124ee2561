/**
 * Forgets what is past its time: whole tasks, and results that expire earlier. History is walked by its key, from the
 * oldest, in portions of 1,000 rows that each read no more than those rows; the caller keeps the cursor between calls,
 * so no call scans the table and a long history only takes more calls. Repeating a portion changes nothing.
 */
import type { HistoryDatabase, Ports } from "../core/ports.ts";
import { messageOf } from "./judge-error.ts";
import type { Unavailable } from "./read.ts";
import { within } from "./within.ts";

export const PORTION_ROWS = 1_000;
const PORTION_MS = 20_000;

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

interface Look extends RetentionCursor {
  readonly walked: number;
  readonly gone: number;
  readonly blank: number;
}

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
  // Below every key: no tenant is named "".
  const from = cursor ?? { tenant: "", seq: 0, queue: "", shard: 0 };
  const start = [from.tenant, from.seq, from.queue, from.shard, now] as const;
  const { results } = await database
    .prepare(LOOK)
    .bind(...start)
    .run();
  const look = results[0] as Look | undefined;
  if (!look) return { cursor: null, walked: 0, deleted: 0, blanked: 0 };
  const range = [...start, look.tenant, look.seq, look.queue, look.shard] as const;
  const work = [];
  if (look.gone > 0) work.push(database.prepare(FORGET).bind(...range));
  if (look.blank > 0) work.push(database.prepare(BLANK_RESULTS).bind(...range));
  const changes = work.length > 0 ? await database.batch(work) : [];
  const forgotten = look.gone > 0 ? (changes[0]?.meta.changes ?? 0) : 0;
  return {
    cursor:
      look.walked < PORTION_ROWS ? null : { tenant: look.tenant, seq: look.seq, queue: look.queue, shard: look.shard },
    walked: look.walked,
    deleted: forgotten,
    blanked: look.blank > 0 ? (changes.at(-1)?.meta.changes ?? 0) : 0,
  };
}
