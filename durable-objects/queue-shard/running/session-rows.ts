/** A session's row: written once per new turn, so that a shard that lost its memory knows what is in whose hands. */
import type { Seq } from "../../../core/ids.ts";
import type { HeldClaim } from "../../../core/lease.ts";
import type { Limited } from "../../../core/limits.ts";
import type { Worker } from "../../../core/schema/session-rpc.ts";
import type { Sql } from "../../sql/sql.ts";
import type { Memory, Session } from "../memory.ts";
import type { Shard } from "../shard.ts";

const SAVE = `INSERT OR REPLACE INTO session
  (id, worker, solo, slots, opened_at, lease_until, turn, handed, claims, lost) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;
const FORGET = "DELETE FROM session WHERE id = ?";
const SESSIONS = "SELECT id, worker, solo, slots, opened_at, lease_until, turn, handed, claims, lost FROM session";
const CLAIMED = "SELECT seq, type, limit_key FROM task WHERE seq IN (SELECT value FROM json_each(?))";

/** Inside a transaction. */
export function saveSession(shard: Shard, session: Session): void {
  session.storedLease = session.leaseUntil;
  shard.sql.run(
    SAVE,
    session.id,
    JSON.stringify(session.worker),
    session.solo ? 1 : 0,
    session.slots,
    session.openedAt,
    session.leaseUntil,
    session.turn,
    session.handed,
    storeClaims(session.claims.values()),
    JSON.stringify(session.lost),
  );
}

/** Inside a transaction; its claims have been dealt with. */
export function forgetSession(shard: Shard, session: Session, now: number): void {
  const { memory } = shard;
  memory.sessions.delete(session.id);
  memory.running -= session.claims.size;
  if (memory.limits) for (const claim of session.claims.values()) memory.limits.ended(claim, now);
  if (memory.running === 0) memory.deadlineHint = null;
  shard.sql.run(FORGET, session.id);
}

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

interface ClaimedTaskRow {
  readonly seq: Seq;
  readonly type: string;
  readonly limit_key: string | null;
}
const UNKNOWN: Limited = { type: "", limitKey: null };

function seqsOf(claims: readonly StoredClaim[]): string {
  return JSON.stringify(claims.map(([seq]) => seq));
}

/** Every session that is stored, and what it has in hand. @param boot as `loadMemory` has it */
export function loadSessions(memory: Memory, sql: Sql, boot: string | null): void {
  for (const session of sql.all<SessionRow>(SESSIONS)) addSession(memory, session, boot, sql);
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
