/** Tasks that still wait when their time to begin is over end as EXPIRED; in portions, cut by bytes as well as by count. */
import { cutByBytes, MAX_ANSWER_BYTES } from "../../../core/bytes.ts";
import type { Seq } from "../../../core/ids.ts";
import type { Lane } from "../../../core/lanes.ts";
import { iso, type TaskRecord } from "../../../core/task.ts";
import { NEXT_EXPIRY } from "../load-memory.ts";
import type { Shard } from "../shard.ts";
import { type Ending, rowsOf, type TaskRow } from "../task-rows.ts";
import { leaveWaiting } from "./leave-waiting.ts";

const OVER = `SELECT seq, length(payload) AS bytes FROM task
  WHERE expires_at <= ? AND status IN ('SCHEDULED', 'BLOCKED', 'QUEUED', 'RETRYING') ORDER BY expires_at LIMIT 1000`;

const OVER_IN = `SELECT seq, length(payload) AS bytes FROM task
  WHERE seq IN (SELECT value FROM json_each(?1)) AND expires_at <= ?2`;
const HEAD_IS_OVER = "SELECT 1 AS one FROM task WHERE seq = ?1 AND expires_at <= ?2";

/** Whether some task that waits may have had to begin by now. */
export function mayBeOver({ memory }: Shard, now: number): boolean {
  return memory.expiryHint !== null && memory.expiryHint <= now;
}

/** Inside a transaction; where more are over than one portion, the alarm comes again at once. */
export function expireTasks(shard: Shard, now: number): TaskRecord[] {
  const { memory, sql } = shard;
  if (!mayBeOver(shard, now)) return [];
  const ended = end(shard, sql.all<Over>(OVER, now), now);
  memory.expiryHint = sql.all<{ next: number | null }>(NEXT_EXPIRY)[0]?.next ?? null;
  return ended;
}

/**
 * Ends those of a lane's next tasks that are over, where its first one is: a claim does not wait for the alarm, which may
 * have tens of thousands to end. Inside a transaction.
 */
export function expireHead(shard: Shard, lane: Lane, now: number): TaskRecord[] {
  const head = shard.memory.lanes.head(lane);
  if (head === undefined || shard.sql.all(HEAD_IS_OVER, head, now).length === 0) return [];
  return end(shard, shard.sql.all<Over>(OVER_IN, JSON.stringify(lane.window.slice(lane.next)), now), now);
}

interface Over {
  readonly seq: Seq;
  readonly bytes: number;
}

/** As many as are a portion. */
function end(shard: Shard, over: readonly Over[], now: number): TaskRecord[] {
  const [portion = []] = cutByBytes(over, ({ bytes }) => bytes, MAX_ANSWER_BYTES);
  const rows = rowsOf(
    shard.sql,
    portion.map(({ seq }) => seq),
  );
  const endingOf = ({ expires_at }: TaskRow): Ending => ({
    to: "EXPIRED",
    cause: `not begun by ${iso(expires_at ?? now)}`,
  });
  return leaveWaiting(shard, rows, endingOf, now);
}
