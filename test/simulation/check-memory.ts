/**
 * A shard's memory is a picture of its tables: after each step it must be what a fresh start would read. Where the
 * picture may be coarser (a deadline that is known too early), it must be coarser on the safe side.
 */
import type { Lane } from "../../core/lanes.ts";
import { deadlineOf } from "../../core/lease.ts";
import { deadShareOf } from "../../core/schema/queue-settings.ts";
import { loadMemory } from "../../durable-objects/queue-shard/load-memory.ts";
import type { Memory, Session } from "../../durable-objects/queue-shard/memory.ts";
import { storeClaims } from "../../durable-objects/queue-shard/running/session-rows.ts";
import { NOTICE_SINKS, type Shard } from "../../durable-objects/queue-shard/shard.ts";
import type { Sql } from "../../durable-objects/sql/sql.ts";
import { must } from "./violation.ts";

const LAST = `SELECT (SELECT coalesce(max(n), 0) FROM outbox) AS outbox, (SELECT coalesce(max(n), 0) FROM notice) AS notice`;
const RUNNING =
  "SELECT group_concat(seq || ' ' || session) AS held FROM (SELECT seq, session FROM task WHERE status = 'RUNNING' ORDER BY seq)";
/** In the order of the index, so that nothing is sorted. */
const WAITING = `SELECT lane, group_concat(seq) AS seqs FROM task INDEXED BY task_ready WHERE status = 'QUEUED'
  GROUP BY lane`;
const ASTRAY = `SELECT seq FROM task JOIN lane ON lane = no WHERE status = 'QUEUED' AND (task.priority <> lane.priority
  OR task.type <> lane.type OR task.limit_key IS NOT lane.limit_key OR task.fairness_key IS NOT lane.fairness_key
  OR task.version <> lane.version OR task.mode <> lane.mode)`;
/** Keys that went with their tasks, by the rule, and are there. */
const LEFT = `SELECT key FROM dedup WHERE within IN ('queued', 'running')
  AND NOT EXISTS (SELECT 1 FROM task WHERE task.seq = dedup.seq AND status <> 'FAILED')`;

/** What the tables say. Read once for all steps that write nothing. */
export interface Tables {
  readonly fresh: Memory;
  readonly last: { readonly outbox: number; readonly notice: number };
  /** "seq session", by commas. */
  readonly running: string;
  readonly waiting: readonly WaitingLane[];
  /** Tasks in a lane that is not theirs. */
  readonly astray: readonly number[];
  /** Keys that their tasks have left behind. */
  readonly left: readonly string[];
}

const NO_ROWS: Tables["last"] = { outbox: 0, notice: 0 };

interface WaitingLane {
  readonly lane: number;
  /** Ascending, by commas. */
  readonly seqs: string;
}

export function readTables(sql: Sql, boot: string | null): Tables {
  const fresh = loadMemory(sql, boot);
  if (!fresh.hasTables) return { fresh, last: NO_ROWS, running: "", waiting: [], astray: [], left: [] };
  return {
    fresh,
    last: sql.all<Tables["last"]>(LAST)[0] ?? NO_ROWS,
    running: sql.all<{ held: string | null }>(RUNNING)[0]?.held ?? "",
    waiting: sql.all<WaitingLane>(WAITING),
    astray: sql.all<{ seq: number }>(ASTRAY).map(({ seq }) => seq),
    left: sql.all<{ key: string }>(LEFT).map(({ key }) => key),
  };
}

export function checkMemory({ memory, outbound }: Shard, tables: Tables, hasSteppedClock: boolean): void {
  const { fresh, last } = tables;
  same("hasTables", memory.hasTables, fresh.hasTables);
  if (!fresh.hasTables) return;
  same("settings", memory.settings?.version, fresh.settings?.version);
  same("seqReserved", memory.seqReserved, fresh.seqReserved);
  must(fresh.lastSeq >= memory.lastSeq, () => `a fresh start would give ${memory.lastSeq} again`);
  for (const name of ["count", "next"] as const) same(`due.${name}`, memory.due[name], fresh.due[name]);
  atMost("expiryHint", memory.expiryHint, fresh.expiryHint);
  for (const name of ["count", "oldest", "bytes"] as const) same(`dead.${name}`, memory.dead[name], fresh.dead[name]);
  const most = memory.settings && deadShareOf(memory.settings);
  must(most === null || fresh.dead.count <= most.count, () => `${fresh.dead.count} dead letters of ${most?.count}`);
  for (const name of ["rows", "entries", "bytes", "refused"] as const)
    same(`outbox.${name}`, memory.outbox[name], fresh.outbox[name]);
  for (const { outbox } of [memory, fresh])
    must(outbox.last >= last.outbox, () => `outbox row ${last.outbox} would be written again`);
  must(memory.notices.last >= last.notice, () => `notice ${last.notice} would be written again`);
  for (const name of ["rows", "bytes"] as const) same(`cache.${name}`, memory.cache[name], fresh.cache[name]);
  atMost("cache.nextExpiry", memory.cache.nextExpiry, fresh.cache.nextExpiry);
  for (const sink of NOTICE_SINKS) {
    const { count, receivers } = memory.notices.sinks[sink];
    const { sinks } = fresh.notices;
    same(`notices for ${sink}`, count, sinks[sink].count);
    same(`who is told by ${sink}`, receivers.size, sinks[sink].receivers.size);
    for (const [receiver, rows] of sinks[sink].receivers) {
      const known = receivers.get(receiver);
      same(`notices for ${receiver}`, known?.count, rows.count);
      must((known?.first ?? 0) <= rows.first, () => `notice ${rows.first} for ${receiver} is not told`);
      same(`the last notice for ${receiver}`, known?.last, rows.last);
    }
  }
  for (const name of ["pending", "bytes", "done"] as const)
    same(`deliveries.${name}`, memory.deliveries[name], fresh.deliveries[name]);
  atMost("deliveries.oldestDone", memory.deliveries.oldestDone, fresh.deliveries.oldestDone);
  // Of those under way somebody looks when they are back; what lacks a secret is looked at now and then.
  const isUnsigned = memory.settings?.hooks?.signing.length === 0;
  if (outbound.inFlight.size === 0 && !isUnsigned)
    atMost("deliveries.next", memory.deliveries.next, fresh.deliveries.next);
  same("blocked", memory.blocked, fresh.blocked);
  same("running", memory.running, fresh.running);
  // A clock that steps back shifts them in memory alone.
  if (!hasSteppedClock) same("levels", levelsOf(memory), levelsOf(fresh));
  atMost("dedupExpiry", memory.dedupExpiry, fresh.dedupExpiry);
  must(memory.hasHeldKeys || !fresh.hasHeldKeys, () => "a key that its task has is not known of");
  checkSessions(memory, fresh);
  same("tasks in a wrong lane", tables.astray.join(), "");
  same("keys of tasks that have ended", tables.left.join(), "");
  checkClaims(memory, tables.running);
  checkLanes(memory, fresh, tables.waiting);
}

function levelsOf({ levels }: Memory): string {
  return JSON.stringify([...levels].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function checkSessions(memory: Memory, fresh: Memory): void {
  same("sessions", memory.sessions.size, fresh.sessions.size);
  let deadline: number | null = null;
  for (const session of memory.sessions.values()) {
    const stored = fresh.sessions.get(session.id);
    must(stored !== undefined, () => `session ${session.id} is not stored`);
    same(`session ${session.id}`, textOf(session), textOf(stored));
    must(session.turn >= stored.turn, () => `session ${session.id} went back to turn ${session.turn}`);
    if (session.turn === stored.turn) same("lost", session.lost.join(), stored.lost.join());
    let begun = 0;
    let cancels = 0;
    for (const claim of session.claims.values()) {
      if (claim.startedAt !== null) begun++;
      if (claim.cancelAt !== null) cancels++;
      const at = deadlineOf(claim);
      if (at === null) continue;
      // One that is overdue is looked at with the session's next turn, or at its lease's end.
      if (!session.isOverdue || claim.cancelAt !== null) deadline = Math.min(deadline ?? at, at);
    }
    same(`begun tasks of session ${session.id}`, session.begun, begun);
    same(`cancelled tasks of session ${session.id}`, session.cancels, cancels);
  }
  if (memory.running > 0) atMost("deadlineHint", memory.deadlineHint, deadline);
}

/** But for progress, which is written only along with something else. */
function textOf({ solo, slots, openedAt, handed, storedLease, worker, claims }: Session): string {
  const stored = storeClaims(Array.from(claims.values(), (claim) => ({ ...claim, progress: null })));
  return `${worker.name} ${solo} ${slots} ${openedAt} ${handed} ${storedLease} ${stored}`;
}

function checkClaims(memory: Memory, running: string): void {
  const held: { seq: number; session: number }[] = [];
  for (const session of memory.sessions.values())
    for (const seq of session.claims.keys()) held.push({ seq, session: session.id });
  held.sort((a, b) => a.seq - b.seq);
  same("claims and RUNNING rows", held.map(({ seq, session }) => `${seq} ${session}`).join(), running);
}

function checkLanes(memory: Memory, fresh: Memory, waiting: readonly WaitingLane[]): void {
  const { lanes } = memory;
  same("lanes", lanes.size, fresh.lanes.size);
  same("queued", lanes.queued, fresh.lanes.queued);
  same("solo", lanes.solo, fresh.lanes.solo);
  for (const { no, key, count } of lanes.all()) {
    const stored = fresh.lanes.get(no);
    must(stored !== undefined && fresh.lanes.find(key) === stored, () => `lane ${no} is not stored as it is`);
    same(`count of lane ${no}`, count, stored.count);
  }
  for (const { lane: no, seqs } of waiting) {
    const lane = lanes.get(no);
    must(lane !== undefined, () => `tasks ${seqs} wait in lane ${no}, which is not there`);
    checkWindow(lane, seqs);
  }
}

/** The window is the beginning of the lane, and holds everything up to `edge`. */
function checkWindow(lane: Lane, waiting: string): void {
  const known = lane.window.slice(lane.next).join();
  if (known === waiting) return;
  must(known !== "" && waiting.startsWith(`${known},`), () => `lane ${lane.no} has ${waiting}, its window ${known}`);
  const beyond = Number.parseInt(waiting.slice(known.length + 1), 10);
  must(beyond > lane.edge, () => `task ${beyond} is below the edge of lane ${lane.no}, but not in its window`);
}

function same<T extends string | number | boolean | null | undefined>(what: string, memory: T, table: T): void {
  must(memory === table, () => `${what}: memory has ${memory}, a fresh start reads ${table}`);
}

function atMost(what: string, memory: number | null, table: number | null): void {
  must(
    table === null || (memory !== null && memory <= table),
    () => `${what}: memory has ${memory}, the tables ${table}`,
  );
}
