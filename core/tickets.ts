/** How many sessions a shard wants, and when it asks again. A ticket is a hint: lost, late or doubled it harms nothing. */

export interface Demand {
  /** Queued tasks that some worker can run now (pause, types and suspects taken off). */
  readonly ready: number;
  /** Free slots of open sessions: they will ask by themselves. */
  readonly freeSlots: number;
  /** How many more tasks the queue's concurrency lets run; Infinity where it has no limit. */
  readonly concurrencyLeft: number;
  readonly slots: number;
  readonly maxSessions: number;
  readonly openSessions: number;
  /** Of those: so new, or their tasks so quick, that one session more would only share their work. */
  readonly quickSessions: number;
  /** Tickets issued and neither redeemed nor overdue. */
  readonly unredeemed: number;
}

/**
 * Four sessions with quick tasks keep a shard busy; more make each other's turns smaller: 40,000 quick tasks went at
 * 11,700 a second with 4 sessions, 7,400 with 1, 6,400 with 8, 3,700 with 32 (a busy machine; figures compare).
 */
export const MAX_QUICK_SESSIONS = 4;
/** A session this old (ms) that claims nothing ahead of its slots has slow tasks: it does not count as quick. */
export const NEW_SESSION_MS = 20;
/** Claimed ahead of its slots, so many tasks say that they are quick. */
export const QUICK_AHEAD = 64;

/** Tickets to issue now, and whether more are to follow once new sessions have shown what their tasks are like. */
export function ticketsWanted(demand: Demand): { readonly now: number; readonly more: boolean } {
  const work = Math.min(demand.ready, demand.concurrencyLeft) - demand.freeSlots;
  const sessions = Math.min(Math.ceil(work / demand.slots), demand.maxSessions - demand.openSessions);
  const wanted = Math.max(0, sessions - demand.unredeemed);
  const allowed = Math.max(0, MAX_QUICK_SESSIONS - demand.quickSessions - demand.unredeemed);
  return { now: Math.min(wanted, allowed), more: wanted > allowed };
}

const FIRST_OVERDUE_MS = 2_000;
const LAST_OVERDUE_MS = 300_000;

/** How long (ms) a ticket is waited for before another is issued: 2, 4, 8 … 300 s, by how many went unheeded. */
export function ticketPatience(unheeded: number): number {
  return Math.min(LAST_OVERDUE_MS, FIRST_OVERDUE_MS * 2 ** Math.min(unheeded, 20));
}
