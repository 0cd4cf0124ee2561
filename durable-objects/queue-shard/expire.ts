/** Tasks that still wait when their time to begin is over end as EXPIRED; in portions, cut by bytes as well as by count. */
import { cutByBytes, MAX_ANSWER_BYTES } from "../../core/bytes.ts";
import type { Seq } from "../../core/ids.ts";
import { iso, type TaskRecord } from "../../core/task.ts";
import { leaveWaiting } from "./leave-waiting.ts";
import { NEXT_EXPIRY } from "./memory.ts";
import type { Shard } from "./shard.ts";
import { type Ending, rowsOf, type TaskRow } from "./task-rows.ts";

const OVER = `SELECT seq, length(payload) AS bytes FROM task
  WHERE expires_at <= ? AND status IN ('SCHEDULED', 'BLOCKED', 'QUEUED', 'RETRYING') ORDER BY expires_at LIMIT 1000`;

/** Inside a transaction; where more are over than one portion, the alarm comes again at once. */
export function expireTasks(shard: Shard, now: number): TaskRecord[] {
  const { memory, sql } = shard;
  if (memory.expiryHint === null || memory.expiryHint > now) return [];
  const over = sql.all<{ seq: Seq; bytes: number }>(OVER, now);
  const [portion = []] = cutByBytes(over, ({ bytes }) => bytes, MAX_ANSWER_BYTES);
  const rows = rowsOf(
    sql,
    portion.map(({ seq }) => seq),
  );
  const endingOf = ({ expires_at }: TaskRow): Ending => ({
    to: "EXPIRED",
    cause: `not begun by ${iso(expires_at ?? now)}`,
  });
  const ended = leaveWaiting(shard, rows, endingOf, now);
  memory.expiryHint = sql.all<{ next: number | null }>(NEXT_EXPIRY)[0]?.next ?? null;
  return ended;
}
