/**
 * The walk of retention over a history database, carried on by each cron trigger: at most 10,000 rows a minute, and an
 * hour's rest at the end. Where it stands is kept in the database itself, so any invocation may carry on; two that do at once
 * walk the same rows twice, which changes nothing.
 */
import type { HistoryDatabase, Ports } from "../core/ports.ts";
import { messageOf } from "./judge-error.ts";
import type { Quota } from "./quota.ts";
import type { Unavailable } from "./read.ts";
import { retainWithin, type Standing } from "./retain-within.ts";
import { type Retained, type RetentionCursor, retainHistory } from "./retention.ts";
import { within } from "./within.ts";

const READ = "SELECT cursor, next_at, usage FROM retention_walk WHERE one = 1";
const BEGIN = "INSERT INTO retention_walk (one, next_at) VALUES (1, 0) ON CONFLICT (one) DO NOTHING";
/** What was counted of a walk that goes on without counting would be too little. */
const KEEP = `INSERT INTO retention_walk (one, cursor, next_at) VALUES (1, ?1, ?2)
  ON CONFLICT (one) DO UPDATE SET cursor = ?1, next_at = ?2, usage = NULL`;

const CALL_MS = 20_000;
const REST_MS = 3_600_000;
const PORTIONS = 10;

/**
 * @param quotasOf which queues of the database may have how much; asked only where the walk does not rest
 * @returns null while the walk rests
 */
export async function walkRetention(
  database: HistoryDatabase,
  ports: Pick<Ports, "now" | "later">,
  quotasOf: () => Promise<readonly Quota[]> = async () => [],
): Promise<Retained | Unavailable | null> {
  try {
    const { results } = await within(ports, CALL_MS, database.prepare(READ).bind().run());
    const row = results[0] as (Standing & { next_at: number }) | undefined;
    if (row && row.next_at > ports.now()) return null;
    const quotas = await quotasOf();
    if (quotas.length > 0) {
      if (!row) await within(ports, CALL_MS, database.prepare(BEGIN).bind().run());
      const { cursor = null, usage = null } = row ?? {};
      return await retainWithin(database, { cursor, usage }, quotas, ports, { portions: PORTIONS, restMs: REST_MS });
    }
    const cursor = row?.cursor ? (JSON.parse(row.cursor) as RetentionCursor) : null;
    const walked = await retainHistory(database, cursor, ports, PORTIONS);
    if (!walked.ok) return walked;
    const nextAt = walked.cursor === null ? ports.now() + REST_MS : ports.now();
    const kept = walked.cursor === null ? null : JSON.stringify(walked.cursor);
    await within(ports, CALL_MS, database.prepare(KEEP).bind(kept, nextAt).run());
    return walked;
  } catch (error) {
    return { ok: false, reason: messageOf(error) };
  }
}
