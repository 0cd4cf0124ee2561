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
  /** Tickets issued and neither redeemed nor overdue. */
  readonly unredeemed: number;
}

/** Tickets to issue now. */
export function ticketsWanted(demand: Demand): number {
  const work = Math.min(demand.ready, demand.concurrencyLeft) - demand.freeSlots;
  const sessions = Math.min(Math.ceil(work / demand.slots), demand.maxSessions - demand.openSessions);
  return Math.max(0, sessions - demand.unredeemed);
}

const FIRST_OVERDUE_MS = 2_000;
const LAST_OVERDUE_MS = 300_000;

/** How long (ms) a ticket is waited for before another is issued: 2, 4, 8 … 300 s, by how many went unheeded. */
export function ticketPatience(unheeded: number): number {
  return Math.min(LAST_OVERDUE_MS, FIRST_OVERDUE_MS * 2 ** Math.min(unheeded, 20));
}
