/**
 * Asks for workers: a ticket for each session that is missing, sent to one of the ticket queues once the writes are
 * durable. What was not redeemed in time is issued again on another queue, backing off 2, 4 … 300 s.
 */
import { countRunnable, runnableBands } from "../../../core/pick.ts";
import { TICKET_QUEUES, type TicketQueue } from "../../../core/ports.ts";
import type { Ticket } from "../../../core/schema/session-rpc.ts";
import { type Demand, NEW_SESSION_MS, QUICK_AHEAD, ticketPatience, ticketsWanted } from "../../../core/tickets.ts";
import type { Memory } from "../memory.ts";
import type { Shard } from "../shard.ts";
import { freeSlots, roomLeft } from "./claim.ts";

export function issueTickets(shard: Shard, now: number): void {
  const { memory } = shard;
  const { settings, lanes } = memory;
  dropOverdue(memory, now);
  memory.ticketLookAt = null;
  if (!settings || settings.paused || shard.draining || lanes.queued === 0) return;
  const concurrency = roomLeft(shard, now);
  const demand = { concurrencyLeft: concurrency, slots: settings.slots, maxSessions: settings.maxSessions };
  for (const solo of [false, true]) {
    const waiting = solo ? lanes.solo : lanes.queued - lanes.solo;
    if (waiting === 0) continue;
    // Suspects run one after the other: one session, one slot.
    const bounds = solo ? { ...demand, slots: 1, maxSessions: 1 } : demand;
    const stays = staysOf(shard, solo, now);
    const { ready, unknown } = waitingFor(memory, solo, bounds.slots * bounds.maxSessions + stays.freeSlots, now);
    const tickets = ticketsWanted({ ...bounds, ...stays, ready });
    let wanted = tickets.now;
    if (tickets.more && stays.newestAt !== null) lookAgainAt(memory, stays.newestAt + NEW_SESSION_MS);
    // What no known worker can run is asked about now and then: a deploy may have brought one that can.
    if (ready === 0 && unknown && concurrency > 0 && stays.unredeemed === 0) {
      const heldUntil = memory.probesHeldUntil;
      if (heldUntil === null || heldUntil <= now) wanted = 1;
      else lookAgainAt(memory, heldUntil);
    }
    send(shard, solo, wanted, now);
  }
}

/**
 * Tasks that may run and that the consumers seen last could run (all of them until one has come), counted up to `most`;
 * and whether others wait that none of those knows. What is at a limit is neither: it needs no worker.
 */
function waitingFor(memory: Memory, solo: boolean, most: number, now: number): { ready: number; unknown: boolean } {
  const { consumerTypes: types, lanes, limits } = memory;
  const bands = runnableBands(lanes, { paused: false, knows: () => true, solo, limits, now });
  const known = types === null ? bands : bands.filter(({ type, version }) => (types[type] ?? -1) >= version);
  return { ready: countRunnable(known, { limits, now }, most), unknown: known.length < bands.length };
}

/**
 * A session with free slots asks again within a few milliseconds; one silent for longer is not counted on, nor one heard
 * in the future, before the clock stepped back.
 */
const TRUST_MS = 1_000;

interface Stays extends Pick<Demand, "freeSlots" | "openSessions" | "quickSessions" | "unredeemed"> {
  /** When the newest session that has not shown what its tasks are like was opened (Unix ms). */
  readonly newestAt: number | null;
}

function staysOf(shard: Shard, solo: boolean, now: number): Stays {
  const { memory, parked } = shard;
  let free = 0;
  let openSessions = 0;
  let quickSessions = 0;
  let newestAt: number | null = null;
  for (const session of memory.sessions.values()) {
    if (session.solo !== solo) continue;
    openSessions++;
    if (session.window >= session.slots + QUICK_AHEAD) quickSessions++;
    else if (Math.abs(now - session.openedAt) < NEW_SESSION_MS) {
      quickSessions++;
      newestAt = Math.max(newestAt ?? 0, session.openedAt);
    }
    const slots = freeSlots(session);
    if (slots === 0) continue;
    if (parked.has(session.id)) free += slots;
    else if (Math.abs(now - session.lastTurnAt) < TRUST_MS) {
      free += slots;
      lookAgainAt(memory, now + TRUST_MS);
    }
  }
  let unredeemed = 0;
  for (const ticket of memory.tickets.values()) if (ticket.solo === solo) unredeemed++;
  return { freeSlots: free, openSessions, quickSessions, unredeemed, newestAt };
}

function lookAgainAt(memory: Memory, at: number): void {
  memory.ticketLookAt = Math.min(memory.ticketLookAt ?? at, at);
}

function dropOverdue(memory: Memory, now: number): void {
  let dropped = false;
  for (const [id, ticket] of memory.tickets) {
    if (ticket.overdueAt > now) continue;
    memory.tickets.delete(id);
    dropped = true;
  }
  if (dropped) memory.unheeded++;
}

function send(shard: Shard, solo: boolean, wanted: number, now: number): void {
  const { memory, ports } = shard;
  const overdueAt = now + ticketPatience(memory.unheeded);
  const byQueue = new Map<TicketQueue, Ticket[]>();
  for (let i = 0; i < wanted; i++) {
    const ticket = ports.uuid();
    memory.tickets.set(ticket, { issuedAt: now, overdueAt, solo });
    const queue = solo ? "solo" : memory.ticketTurn++ % TICKET_QUEUES;
    const batch = byQueue.get(queue) ?? [];
    batch.push({ v: 1, object: shard.name, ticket, issuedAt: now, solo });
    byQueue.set(queue, batch);
  }
  // A failed send needs no handling: the tickets are overdue in time.
  for (const [queue, tickets] of byQueue) shard.host.keepAlive(ports.sendTickets(queue, tickets));
}
