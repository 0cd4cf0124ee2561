/** A shard's memory, read from its tables: what a start, or a throw, makes it be. */
import type { Seq } from "../../core/ids.ts";
import { type QueueSettings, withDefaults } from "../../core/schema/queue-settings.ts";
import type { Sql } from "../sql/sql.ts";
import { loadDeliveries } from "./ended/delivery-rows.ts";
import { emptyMemory, type Memory } from "./memory.ts";
import { loadLevels } from "./running/bucket-rows.ts";
import { loadSessions } from "./running/session-rows.ts";
import type { NoticeSink } from "./shard.ts";
import { loadCache } from "./submit/cache-rows.ts";
import { IS_ANY_HELD, NEXT_KEY } from "./submit/dedup-rows.ts";
import { type LaneRow, laneKeyOf } from "./waiting/lane-rows.ts";

const HAS_TABLES = "SELECT 1 AS one FROM sqlite_master WHERE type = 'table' AND name = 'shard'";
const SHARD_ROW = "SELECT seq_reserved, first_seq, settings FROM shard";
const LAST_SEQ = "SELECT max(seq) AS seq FROM task";
const LANES = "SELECT no, priority, type, version, limit_key, fairness_key, mode FROM lane";
const LANE_COUNTS = "SELECT lane, count(*) AS count, min(seq) AS head FROM task WHERE status = 'QUEUED' GROUP BY lane";
const DUE = "SELECT count(*) AS count, min(run_at) AS next FROM task WHERE status IN ('SCHEDULED', 'RETRYING')";
export const NEXT_EXPIRY = `SELECT min(expires_at) AS next FROM task
  WHERE expires_at IS NOT NULL AND status IN ('SCHEDULED', 'BLOCKED', 'QUEUED', 'RETRYING')`;
/** Off the covering index: no payload's page is read. */
const DEAD = `SELECT count(*) AS count, min(ended_at) AS oldest, coalesce(sum(dead_bytes), 0) AS bytes
  FROM task WHERE status = 'FAILED'`;
const BLOCKED = "SELECT count(*) AS count FROM task WHERE status = 'BLOCKED'";
const OUTBOX = `SELECT count(*) FILTER (WHERE refused IS NULL) AS rows,
  coalesce(sum(count) FILTER (WHERE refused IS NULL), 0) AS entries,
  coalesce(sum(bytes) FILTER (WHERE refused IS NULL), 0) AS bytes,
  count(refused) AS refused, coalesce(max(n), 0) AS last FROM outbox`;
const NOTICES = `SELECT sink, receiver, count(*) AS count, min(n) AS first, max(n) AS last FROM notice
  GROUP BY sink, receiver ORDER BY first`;

/**
 * Reads memory from SQL. Nothing is written, so an object that was only asked something stays without tables.
 * @param boot this run of the runtime where it is known (locally): consumers of another are dead, whatever their lease
 */
export function loadMemory(sql: Sql, boot: string | null): Memory {
  const memory = emptyMemory();
  if (sql.all(HAS_TABLES).length === 0) return memory;
  memory.hasTables = true;

  const row = sql.all<{ seq_reserved: number; first_seq: number; settings: string | null }>(SHARD_ROW)[0];
  memory.seqReserved = row?.seq_reserved ?? 0;
  memory.firstSeq = row?.first_seq ?? 0;
  memory.settings = row?.settings ? withDefaults(JSON.parse(row.settings) as QueueSettings) : null;
  const highest = sql.all<{ seq: number | null }>(LAST_SEQ)[0]?.seq ?? 0;
  memory.lastSeq = Math.max(highest, memory.seqReserved);

  const counts = new Map(
    sql.all<{ lane: number; count: number; head: Seq }>(LANE_COUNTS).map((lane) => [lane.lane, lane]),
  );
  for (const lane of sql.all<LaneRow>(LANES)) {
    const count = counts.get(lane.no);
    memory.lanes.add(lane.no, laneKeyOf(lane), count?.count, count?.head);
    memory.lastLane = Math.max(memory.lastLane, lane.no);
  }

  const due = sql.all<{ count: number; next: number | null }>(DUE)[0];
  if (due) memory.due = due;
  memory.expiryHint = sql.all<{ next: number | null }>(NEXT_EXPIRY)[0]?.next ?? null;
  memory.blocked = sql.all<{ count: number }>(BLOCKED)[0]?.count ?? 0;
  const dead = sql.all<Memory["dead"]>(DEAD)[0];
  if (dead) memory.dead = dead;
  loadSessions(memory, sql, boot);

  const outbox = sql.all<Memory["outbox"]>(OUTBOX)[0];
  if (outbox) memory.outbox = outbox;
  if (memory.outbox.rows > 0) memory.historyFlush.at = 0;
  loadNotices(memory, sql);
  memory.dedupExpiry = sql.all<{ next: number | null }>(NEXT_KEY)[0]?.next ?? null;
  memory.hasHeldKeys = sql.all(IS_ANY_HELD).length > 0;
  memory.cache = loadCache(sql);
  memory.levels = loadLevels(sql);
  memory.deliveries = loadDeliveries(sql);
  return memory;
}

function loadNotices({ notices }: Memory, sql: Sql): void {
  for (const { sink, receiver, count, first, last } of sql.all<NoticesRow>(NOTICES)) {
    const pace = notices.sinks[sink];
    pace.count += count;
    pace.at = 0;
    pace.receivers.set(receiver, { count, first, last, failures: 0, at: 0 });
    notices.last = Math.max(notices.last, last);
  }
}
interface NoticesRow {
  readonly sink: NoticeSink;
  readonly receiver: string | null;
  readonly count: number;
  readonly first: number;
  readonly last: number;
}
