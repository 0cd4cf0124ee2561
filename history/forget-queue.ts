/**
 * Deletes what D1 has of queues that were deleted, by the key, as retention walks: a portion reads 1,000 rows, of
 * whichever queues they are, and deletes those below the mark of their shard. Repeating a portion changes nothing.
 */
import type { TenantName } from "../core/ids.ts";
import type { HistoryDatabase, Ports } from "../core/ports.ts";
import { lookAhead, PORTION_MS, type RetentionCursor } from "./retention.ts";
import { within } from "./within.ts";

/** Names are put together, for the reason that retain-within.ts tells. */
const FORGET = `DELETE FROM history WHERE (tenant, seq, queue, shard) > (?1, ?2, ?3, ?4) AND ?5 > 0
  AND (tenant, seq, queue, shard) <= (?6, ?7, ?8, ?9) AND tenant || '' = ?10
  AND seq < coalesce(json_extract(?11, '$."' || queue || '"[' || shard || ']'), 0)`;

export interface GoneQueues {
  readonly tenant: TenantName;
  /** By queue, by shard: tasks with a lower seq are gone. */
  readonly marks: ReadonlyMap<string, readonly number[]>;
}

/** @param cursor null: from the tenant's oldest @returns `cursor` null: nothing of it is left @throws where D1 does not answer */
export async function forgetPortion(
  database: HistoryDatabase,
  { tenant, marks }: GoneQueues,
  cursor: RetentionCursor | null,
  ports: Pick<Ports, "now" | "later">,
): Promise<{ readonly cursor: RetentionCursor | null; readonly deleted: number }> {
  const from = cursor ?? { tenant, seq: 0, queue: "", shard: 0 };
  const { look, range } = await within(ports, PORTION_MS, lookAhead(database, from, ports.now()));
  if (!look || !range) return { cursor: null, deleted: 0 };
  const statement = database.prepare(FORGET).bind(...range, tenant, JSON.stringify(Object.fromEntries(marks)));
  const { meta } = await within(ports, PORTION_MS, statement.run());
  const { to, isLast } = look;
  const isOver = isLast || to.tenant !== tenant || to.seq >= Math.max(0, ...[...marks.values()].flat());
  return { cursor: isOver ? null : to, deleted: meta.changes ?? 0 };
}
