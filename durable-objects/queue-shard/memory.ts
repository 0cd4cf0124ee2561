/**
 * A shard's picture of its tables: counts, lane heads, sessions. Nothing here is stored as a count: the start reads
 * `lane, count, min(seq)` from the covering partial index (49 ms at a million rows, node:sqlite), so the depth limit
 * is exact after any crash.
 */
import { Fair } from "../../core/fair.ts";
import type { Seq } from "../../core/ids.ts";
import { type LaneKey, Lanes } from "../../core/lanes.ts";
import type { HeldClaim } from "../../core/lease.ts";
import { hasLimits, type Limited, Limits } from "../../core/limits.ts";
import { type QueueSettings, withDefaults } from "../../core/schema/queue-settings.ts";
import type { Worker } from "../../core/schema/rpc.ts";
import type { Level } from "../../core/token-bucket.ts";
import type { Sql } from "../sql/sql.ts";
import { loadLevels } from "./bucket-rows.ts";
import { type CacheState, loadCache } from "./cache-rows.ts";
import { type Deliveries, loadDeliveries, noDeliveries } from "./delivery-rows.ts";

/** A worker's stay at this shard. */
export interface Session {
  readonly id: number;
  readonly worker: Worker;
  readonly solo: boolean;
  readonly slots: number;
  readonly openedAt: number;
  /** Unix ms until which silence is believed; `storedLease` is what the row says. */
  leaseUntil: number;
  storedLease: number;
  /** Unix ms of its latest call; 0: not since this object has its memory. */
  lastTurnAt: number;
  /** A task of it is past its deadline, but it has not spoken since. */
  isOverdue: boolean;
  /** Tasks that it would have in hand if there were enough, as it last asked; 0: not known. */
  window: number;
  turn: number;
  /** Tasks handed out so far. */
  handed: number;
  readonly claims: Map<Seq, HeldClaim>;
  /** Of those: begun, and so in a slot. */
  begun: number;
  /** Of those: asked to stop. */
  cancels: number;
  /** Outcomes of the last turn that did not count: part of its stored answer. */
  lost: Seq[];
}

/** A ticket that nobody has redeemed yet. */
export interface OpenTicket {
  readonly issuedAt: number;
  readonly overdueAt: number;
  readonly solo: boolean;
}

export interface Memory {
  hasTables: boolean;
  settings: QueueSettings | null;
  lastSeq: number;
  seqReserved: number;
  lanes: Lanes;
  lastLane: number;
  /** SCHEDULED and RETRYING. */
  due: { count: number; next: number | null };
  blocked: number;
  /** Never later than the first moment (Unix ms) by which a waiting task must have begun; may be early, as a claim leaves it. */
  expiryHint: number | null;
  sessions: Map<number, Session>;
  /** RUNNING: the sessions' claims. */
  running: number;
  /** What of it counts against which limit; null where the queue has none but for its whole. */
  limits: Limits | null;
  /** Of token buckets that are not full, by name; some full ones besides, until there are many to look at. */
  levels: Map<string, Level>;
  levelsToLookAt: number;
  /** Whose turn it is among fairnessKeys; null where the queue is not fair. */
  fair: Fair | null;
  /** Never later than the earliest deadline; may be early, then the alarm finds nothing and works it out again. */
  deadlineHint: number | null;
  /** `bytes`: of payloads, attempts and errors. */
  dead: { count: number; oldest: number | null; bytes: number };
  /** No dead letter ends at or before this (Unix ms) any more: what had was counted, for somebody to come back with. */
  deadCountedTo: number;
  /** `rows`, `entries`, `bytes`: on the way to D1; `refused`: kept here for good. */
  outbox: { rows: number; entries: number; bytes: number; refused: number; last: number };
  notices: { count: number; last: number };
  dedupExpiry: number | null;
  cache: CacheState;
  /** When each sink is to be flushed (Unix ms), and how often it failed in a row. */
  historyFlush: { at: number | null; failures: number };
  noticeFlush: { at: number | null; failures: number };
  deliveries: Deliveries;
  tickets: Map<string, OpenTicket>;
  /** Tickets unheeded or fruitless in a row. */
  unheeded: number;
  /** No ticket before this (Unix ms) for tasks that no known worker can run: the last open found nothing. */
  probesHeldUntil: number | null;
  /** When to look again whether free slots that were counted on did ask (Unix ms). */
  ticketLookAt: number | null;
  /** Rotates tickets over the ticket queues. */
  ticketTurn: number;
  /** What the consumers that came last could run; null: not known yet, so anything. */
  consumerTypes: Readonly<Record<string, number>> | null;
}

export function emptyMemory(): Memory {
  return {
    hasTables: false,
    settings: null,
    lastSeq: 0,
    seqReserved: 0,
    lanes: new Lanes(),
    lastLane: 0,
    due: { count: 0, next: null },
    blocked: 0,
    expiryHint: null,
    sessions: new Map(),
    running: 0,
    limits: null,
    levels: new Map(),
    levelsToLookAt: 0,
    fair: null,
    deadlineHint: null,
    dead: { count: 0, oldest: null, bytes: 0 },
    deadCountedTo: 0,
    outbox: { rows: 0, entries: 0, bytes: 0, refused: 0, last: 0 },
    notices: { count: 0, last: 0 },
    dedupExpiry: null,
    cache: { rows: 0, bytes: 0, nextExpiry: null },
    historyFlush: { at: null, failures: 0 },
    noticeFlush: { at: null, failures: 0 },
    deliveries: noDeliveries(),
    tickets: new Map(),
    unheeded: 0,
    probesHeldUntil: null,
    ticketLookAt: null,
    ticketTurn: 0,
    consumerTypes: null,
  };
}

/** Unfinished tasks: what the depth limit counts. Dead letters are not among them. */
export function depthOf(memory: Memory): number {
  return memory.lanes.queued + memory.due.count + memory.blocked + memory.running;
}

const HAS_TABLES = "SELECT 1 AS one FROM sqlite_master WHERE type = 'table' AND name = 'shard'";
const SHARD_ROW = "SELECT seq_reserved, settings FROM shard";
const LAST_SEQ = "SELECT max(seq) AS seq FROM task";
const LANES = "SELECT no, priority, type, version, limit_key, fairness_key, mode FROM lane";
const LANE_COUNTS = "SELECT lane, count(*) AS count, min(seq) AS head FROM task WHERE status = 'QUEUED' GROUP BY lane";
const DUE = "SELECT count(*) AS count, min(run_at) AS next FROM task WHERE status IN ('SCHEDULED', 'RETRYING')";
export const NEXT_EXPIRY = `SELECT min(expires_at) AS next FROM task
  WHERE expires_at IS NOT NULL AND status IN ('SCHEDULED', 'BLOCKED', 'QUEUED', 'RETRYING')`;
/** Off the covering index: no payload's page is read. */
const DEAD = `SELECT count(*) AS count, min(ended_at) AS oldest, coalesce(sum(dead_bytes), 0) AS bytes
  FROM task WHERE status = 'FAILED'`;
const SESSIONS = "SELECT id, worker, solo, slots, opened_at, lease_until, turn, handed, claims, lost FROM session";
const CLAIMED = "SELECT seq, type, limit_key FROM task WHERE seq IN (SELECT value FROM json_each(?))";
const OUTBOX = `SELECT count(*) FILTER (WHERE refused IS NULL) AS rows,
  coalesce(sum(count) FILTER (WHERE refused IS NULL), 0) AS entries,
  coalesce(sum(bytes) FILTER (WHERE refused IS NULL), 0) AS bytes,
  count(refused) AS refused, coalesce(max(n), 0) AS last FROM outbox`;
const NOTICES = "SELECT count(*) AS count, coalesce(max(n), 0) AS last FROM notice";
const DEDUP = "SELECT min(expires_at) AS next FROM dedup";

interface SessionRow {
  id: number;
  worker: string;
  solo: number;
  slots: number;
  opened_at: number;
  lease_until: number;
  turn: number;
  handed: number;
  claims: string;
  lost: string;
}

/** A claim as the session's row keeps it. */
export type StoredClaim = [
  seq: Seq,
  attempt: number,
  startedAt: number | null,
  timeoutMs: number,
  turn: number,
  progress: string | null,
  /** Left out where nobody asked for it. */
  cancelAt?: number,
];

export function storeClaims(claims: Iterable<HeldClaim>): string {
  const stored: StoredClaim[] = [];
  for (const { seq, attempt, startedAt, timeoutMs, turn, progress, cancelAt } of claims) {
    if (cancelAt === null) stored.push([seq, attempt, startedAt, timeoutMs, turn, progress]);
    else stored.push([seq, attempt, startedAt, timeoutMs, turn, progress, cancelAt]);
  }
  return JSON.stringify(stored);
}

/**
 * Reads memory from SQL. Nothing is written, so an object that was only asked something stays without tables.
 * @param boot this run of the runtime where it is known (locally): consumers of another are dead, whatever their lease
 */
export function loadMemory(sql: Sql, boot: string | null): Memory {
  const memory = emptyMemory();
  if (sql.all(HAS_TABLES).length === 0) return memory;
  memory.hasTables = true;

  const row = sql.all<{ seq_reserved: number; settings: string | null }>(SHARD_ROW)[0];
  memory.seqReserved = row?.seq_reserved ?? 0;
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
  const dead = sql.all<Memory["dead"]>(DEAD)[0];
  if (dead) memory.dead = dead;
  for (const session of sql.all<SessionRow>(SESSIONS)) addSession(memory, session, boot, sql);

  const outbox = sql.all<Memory["outbox"]>(OUTBOX)[0];
  if (outbox) memory.outbox = outbox;
  if (memory.outbox.rows > 0) memory.historyFlush.at = 0;
  const notices = sql.all<Memory["notices"]>(NOTICES)[0];
  if (notices) memory.notices = notices;
  if (memory.notices.count > 0) memory.noticeFlush.at = 0;
  memory.dedupExpiry = sql.all<{ next: number | null }>(DEDUP)[0]?.next ?? null;
  memory.cache = loadCache(sql);
  memory.levels = loadLevels(sql);
  memory.deliveries = loadDeliveries(sql);
  return memory;
}

interface LaneRow {
  no: number;
  priority: number;
  type: string;
  version: number;
  limit_key: string | null;
  fairness_key: string | null;
  mode: LaneKey["mode"];
}

export function laneKeyOf(row: Omit<LaneRow, "no">): LaneKey {
  return {
    priority: row.priority,
    type: row.type,
    version: row.version,
    limitKey: row.limit_key,
    fairnessKey: row.fairness_key,
    mode: row.mode,
  };
}

interface ClaimedTaskRow {
  readonly seq: Seq;
  readonly type: string;
  readonly limit_key: string | null;
}
const UNKNOWN: Limited = { type: "", limitKey: null };

function seqsOf(claims: readonly StoredClaim[]): string {
  return JSON.stringify(claims.map(([seq]) => seq));
}

/** Counts anew what runs under which limit: settings have changed, or memory is fresh. */
export function countLimits(memory: Memory, shard: number, now: number): void {
  const { lanes, levels, sessions, settings } = memory;
  lanes.openAll();
  const running = claimsOf(sessions);
  memory.limits = settings && hasLimits(settings) ? new Limits(settings, { shard, lanes, running, levels }, now) : null;
}

/** Every key's turn begins anew: the queue is fair now, or no longer, or by other weights; or memory is fresh. */
export function beginTurns(memory: Memory): void {
  const { lanes, settings } = memory;
  memory.fair = settings?.fair ? new Fair(settings.fair.weights ?? {}) : null;
  for (const lane of lanes.all()) if (lane.turn !== 0) lanes.setTurn(lane, 0);
}

export function* claimsOf(sessions: ReadonlyMap<number, Session>): Generator<Limited> {
  for (const { claims } of sessions.values()) yield* claims.values();
}

function addSession(memory: Memory, row: SessionRow, boot: string | null, sql: Sql): void {
  const worker = JSON.parse(row.worker) as Worker;
  const isOfThisBoot = boot === null || worker.kind !== "consumer" || worker.boot === boot;
  const claims = new Map<Seq, HeldClaim>();
  let begun = 0;
  let cancels = 0;
  const stored = JSON.parse(row.claims) as StoredClaim[];
  const tasks = new Map<Seq, Limited>();
  if (stored.length > 0)
    for (const { seq, type, limit_key: limitKey } of sql.all<ClaimedTaskRow>(CLAIMED, seqsOf(stored)))
      tasks.set(seq, { type, limitKey });
  for (const [seq, attempt, startedAt, timeoutMs, turn, progress, cancelAt = null] of stored) {
    const { type, limitKey } = tasks.get(seq) ?? UNKNOWN;
    claims.set(seq, { seq, type, limitKey, attempt, startedAt, timeoutMs, turn, progress, cancelAt });
    if (cancelAt !== null) cancels++;
    if (startedAt !== null) begun++;
    memory.running++;
  }
  memory.deadlineHint = claims.size > 0 ? 0 : memory.deadlineHint;
  memory.sessions.set(row.id, {
    id: row.id,
    worker,
    solo: row.solo === 1,
    slots: row.slots,
    openedAt: row.opened_at,
    leaseUntil: isOfThisBoot ? row.lease_until : 0,
    storedLease: row.lease_until,
    lastTurnAt: 0,
    isOverdue: false,
    window: 0,
    turn: row.turn,
    handed: row.handed,
    claims,
    begun,
    cancels,
    lost: JSON.parse(row.lost) as Seq[],
  });
}
