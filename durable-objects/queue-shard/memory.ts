/**
 * A shard's picture of its tables: counts, lane heads, sessions. Nothing here is stored as a count: the start reads
 * `lane, count, min(seq)` from the covering partial index (49 ms at a million rows, node:sqlite), so the depth limit
 * is exact after any crash.
 */
import { Fair } from "../../core/fair.ts";
import type { Seq } from "../../core/ids.ts";
import { Lanes } from "../../core/lanes.ts";
import type { HeldClaim } from "../../core/lease.ts";
import { hasLimits, type Limited, Limits } from "../../core/limits.ts";
import type { QueueSettings } from "../../core/schema/queue-settings.ts";
import type { Worker } from "../../core/schema/session-rpc.ts";
import type { Level } from "../../core/token-bucket.ts";
import { type Deliveries, noDeliveries } from "./ended/delivery-rows.ts";
import type { NoticeSink } from "./shard.ts";
import type { CacheState } from "./submit/cache-rows.ts";

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
  /** Lower ones were given to tasks of a making of the queue that was deleted. */
  firstSeq: number;
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
  /** `last`: the number of the latest row. */
  notices: { last: number; readonly sinks: Readonly<Record<NoticeSink, NoticePace>> };
  /** Of keys that go by time: Unix ms, never later than the first of them goes. */
  dedupExpiry: number | null;
  /** Whether some task has a key for as long as it waits or runs; may say so when none has any more. */
  hasHeldKeys: boolean;
  cache: CacheState;
  /** When it is to be flushed (Unix ms), and how often that failed in a row. */
  historyFlush: { at: number | null; failures: number };
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

/** Rows of a sink, and when some of them are to be sent (Unix ms). */
export interface NoticePace {
  count: number;
  /** When to look whose turn it is (Unix ms); null: when somebody has answered. */
  at: number | null;
  /** Whom there is something to tell, in their turn. */
  readonly receivers: Map<string | null, WaitingNotices>;
}
/** The rows of one receiver. */
export interface WaitingNotices {
  count: number;
  /** Numbers that its rows are between; others' rows may be there too. */
  first: number;
  last: number;
  /** How often in a row it did not take what was told. */
  failures: number;
  /** When it is told (Unix ms). */
  at: number;
}

function noPace(): NoticePace {
  return { count: 0, at: null, receivers: new Map() };
}

export function emptyMemory(): Memory {
  return {
    hasTables: false,
    settings: null,
    lastSeq: 0,
    seqReserved: 0,
    firstSeq: 0,
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
    notices: { last: 0, sinks: { "dead-letters": noPace(), run: noPace(), directory: noPace() } },
    dedupExpiry: null,
    hasHeldKeys: false,
    cache: { rows: 0, bytes: 0, nextExpiry: null },
    historyFlush: { at: null, failures: 0 },
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
