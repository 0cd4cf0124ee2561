/**
 * The walk of retention where queues have quotas: beside what is past its time, the oldest of a queue go that has too
 * much. Where the walk stands, and what it has counted, is written with what it deletes, and only where it still stands
 * there: so an answer that was lost, or two walkers at once, never take more than once what is too much.
 */
import type { HistoryDatabase, HistoryResult, Ports } from "../core/ports.ts";
import { messageOf } from "./judge-error.ts";
import { endWalk, NO_USAGE, pass, type Quota, type Usage, type Weighed } from "./quota.ts";
import type { Unavailable } from "./read.ts";
import { lookAhead, PORTION_MS, type Retained, type RetentionCursor, sweepPast, type WalkRange } from "./retention.ts";
import { within } from "./within.ts";

/** Lengths that are in each row's head: the large texts are not read for them. */
const BYTES = "octet_length(detail) + octet_length(payload) + coalesce(octet_length(result), 0)";
const FREED = `CASE WHEN expires_at <= ?5 THEN ${BYTES}
  WHEN result_expires_at <= ?5 THEN coalesce(octet_length(result), 0) ELSE 0 END`;
const WITHIN = "(tenant, seq, queue, shard) > (?1, ?2, ?3, ?4) AND (tenant, seq, queue, shard) <= (?6, ?7, ?8, ?9)";
/**
 * Names are put together, because of a pair or a key as such SQLite would look up the tenant and walk all that it has.
 * Tombstones (tombstone.ts) are not weighed: they are there to be in the way.
 */
const WEIGH = `SELECT tenant, seq, queue, shard, ${BYTES} AS bytes, ${FREED} AS freed FROM history
  WHERE ${WITHIN} AND rev < ${Number.MAX_SAFE_INTEGER}
  AND tenant || ':' || queue IN (SELECT value FROM json_each(?10)) ORDER BY tenant, seq, queue, shard`;
const TRIM = `DELETE FROM history WHERE ${WITHIN} AND ?5 > 0
  AND tenant || ':' || queue || ':' || shard || ':' || seq IN (SELECT value FROM json_each(?10))
  AND EXISTS (SELECT 1 FROM retention_walk WHERE one = 1 AND cursor IS ?11 AND usage IS ?12)`;
const KEEP = `UPDATE retention_walk SET cursor = ?, usage = ?, next_at = ? WHERE one = 1 AND cursor IS ? AND usage IS ?`;

/** As the database keeps it; the texts say whether the walk still stands there. */
export interface Standing {
  readonly cursor: string | null;
  readonly usage: string | null;
}

export interface WalkOptions {
  readonly portions: number;
  /** How long the walk rests at its end where no queue has too much, ms. */
  readonly restMs: number;
}

/** As `retainHistory`; the row of `retention_walk` must be there, and is written. */
export async function retainWithin(
  database: HistoryDatabase,
  standing: Standing,
  quotas: readonly Quota[],
  ports: Pick<Ports, "now" | "later">,
  { portions, restMs }: WalkOptions,
): Promise<Retained | Unavailable> {
  const done = { walked: 0, deleted: 0, blanked: 0 };
  let at = standing;
  try {
    for (let i = 0; i < portions; i++) {
      const passed = await within(ports, PORTION_MS, passPortion(database, at, quotas, ports.now(), restMs));
      if (passed === null) break;
      done.walked += passed.walked;
      done.deleted += passed.deleted;
      done.blanked += passed.blanked;
      at = passed.standing;
      if (at.cursor === null) break;
    }
    return { ok: true, cursor: cursorOf(at), ...done };
  } catch (error) {
    return { ok: false, reason: messageOf(error) };
  }
}

interface Passed extends Omit<Retained, "ok" | "cursor"> {
  readonly standing: Standing;
}

/** null: the walk stands elsewhere by now, and somebody else goes on with it. */
async function passPortion(
  database: HistoryDatabase,
  at: Standing,
  quotas: readonly Quota[],
  now: number,
  restMs: number,
): Promise<Passed | null> {
  const { look, range } = await lookAhead(database, cursorOf(at), now);
  const usage = at.usage === null ? NO_USAGE : (JSON.parse(at.usage) as Usage);
  const rows = look && range ? await weigh(database, range, quotas) : [];
  const passed = pass(rows, usage, quotas);
  const end = look === null || look.isLast ? endWalk(passed.usage, quotas) : null;
  const next: Standing = {
    cursor: look && !end ? JSON.stringify(look.to) : null,
    usage: JSON.stringify((end ?? passed).usage),
  };
  const work = look && range ? sweepPast(database, look, range) : [];
  const sweeps = work.length;
  if (range && passed.doomed.length > 0) {
    const names = JSON.stringify(passed.doomed.map(nameOf));
    work.push(database.prepare(TRIM).bind(...range, names, at.cursor, at.usage));
  }
  const nextAt = end && !end.isOver ? now + restMs : now;
  const keep = database.prepare(KEEP).bind(next.cursor, next.usage, nextAt, at.cursor, at.usage);
  const results = await database.batch([...work, keep]);
  if (changesOf(results.at(-1)) === 0) return null;
  const trimmed = passed.doomed.length > 0 ? changesOf(results.at(-2)) : 0;
  const forgotten = look && look.gone > 0 ? changesOf(results[0]) : 0;
  return {
    walked: look?.walked ?? 0,
    deleted: forgotten + trimmed,
    blanked: look && look.blank > 0 ? changesOf(results[sweeps - 1]) : 0,
    standing: next,
  };
}

async function weigh(database: HistoryDatabase, range: WalkRange, quotas: readonly Quota[]): Promise<Weighed[]> {
  const names = JSON.stringify(quotas.map(({ tenant, queue }) => `${tenant}:${queue}`));
  const { results } = await database
    .prepare(WEIGH)
    .bind(...range, names)
    .run();
  return results as (Weighed & Record<string, unknown>)[];
}

function nameOf({ tenant, seq, queue, shard }: RetentionCursor): string {
  return `${tenant}:${queue}:${shard}:${seq}`;
}

function cursorOf({ cursor }: Standing): RetentionCursor | null {
  return cursor === null ? null : (JSON.parse(cursor) as RetentionCursor);
}

function changesOf(result: HistoryResult | undefined): number {
  return result?.meta.changes ?? 0;
}
