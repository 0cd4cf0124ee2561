/** Deliveries that are done are kept for a week, and no more than the latest 10,000 or so; pending ones as long as they are. */
import { type Seq, seqAt, seqTime } from "../../../core/ids.ts";
import type { Shard } from "../shard.ts";
import type { Deliveries, DeliveryRow } from "./delivery-rows.ts";

const KEEP_MS = 7 * 86_400_000;
/** Those of so long go together: an alarm each would be a row each. */
const GATHER_MS = 3_600_000;
export const KEEP_DONE = 10_000;
/** How many more gather before the oldest go: one transaction takes so many. */
const MOST = 1_000;

const FORGET = `DELETE FROM delivery WHERE n IN
  (SELECT n FROM delivery WHERE status <> 'pending' AND n <= ?1 ORDER BY n LIMIT ?2) RETURNING n`;
const FORGET_OF = "DELETE FROM delivery WHERE seq = ? RETURNING status, bytes";
const OLDEST = "SELECT n FROM delivery WHERE status <> 'pending' ORDER BY n LIMIT 1";

/** When some are too many or past their time (Unix ms). */
export function deliveriesForgottenAt({ done, oldestDone }: Deliveries): number | null {
  if (done >= KEEP_DONE + MOST) return 0;
  return oldestDone === null ? null : seqTime(oldestDone as Seq) + KEEP_MS + GATHER_MS;
}

/** Inside a transaction; where more are to go than one portion, the alarm comes again at once. */
export function forgetDeliveries({ memory, sql }: Shard, now: number): void {
  const { deliveries } = memory;
  const at = deliveriesForgottenAt(deliveries);
  if (at === null || at > now) return;
  const isTooMany = deliveries.done >= KEEP_DONE + MOST;
  const upTo = isTooMany ? Number.MAX_SAFE_INTEGER : seqAt(now - KEEP_MS);
  deliveries.done -= sql.all(FORGET, upTo, MOST).length;
  deliveries.oldestDone = sql.all<{ n: number }>(OLDEST)[0]?.n ?? null;
}

/** What is told of a task goes, be it sent or not. Inside a transaction. */
export function forgetDeliveriesOf({ memory, sql }: Shard, seq: Seq): void {
  const { deliveries } = memory;
  for (const { status, bytes } of sql.all<Pick<DeliveryRow, "status" | "bytes">>(FORGET_OF, seq)) {
    if (status !== "pending") deliveries.done--;
    else {
      deliveries.pending--;
      deliveries.bytes -= bytes;
    }
  }
}
