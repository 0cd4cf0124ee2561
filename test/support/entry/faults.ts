/**
 * The faults that a test has asked for, by queue: what goes wrong on the way to a queue's shards and in them, and nowhere
 * else, so that tests on one service do not meet. Module state, which works because a local runtime has one isolate.
 */

import type { TicketQueue } from "../../../core/ports.ts";
import type { Ticket } from "../../../core/schema/session-rpc.ts";

export type LosableCall = "submit" | "open" | "advance" | "close";

export interface Faults {
  /** Added to the clock of the queue's shards, ms. */
  clockMs: number;
  /** D1: `hang` until this changes (then the call fails), `down`: refuses, `lose`: writes and answers with an error. */
  history: "works" | "hang" | "down" | "lose";
  /** `hold`: kept until POST /__faults/{queue}/tickets lets them go. */
  tickets: "sent" | "dropped" | "doubled" | "hold";
  /** How many of the next answers are lost: the call is carried out, its caller gets an error. */
  lose: Partial<Record<LosableCall, number>>;
  /** How many of the next sessions cannot be opened: the call does not arrive. */
  failOpens: number;
}

/** What the door reads history with; no queue can have that name. */
export const DOOR = "door.";

const byQueue = new Map<string, Faults>();
const held: { readonly scope: string; readonly queue: TicketQueue; readonly tickets: readonly Ticket[] }[] = [];

export function faultsOf(scope: string): Faults {
  let faults = byQueue.get(scope);
  if (!faults) {
    faults = { clockMs: 0, history: "works", tickets: "sent", lose: {}, failOpens: 0 };
    byQueue.set(scope, faults);
  }
  return faults;
}

/** Whether the next answer of that call is to be lost; counts down. */
export function takeLoss(scope: string, call: LosableCall): boolean {
  const { lose } = faultsOf(scope);
  const left = lose[call] ?? 0;
  if (left > 0) lose[call] = left - 1;
  return left > 0;
}

export function takeFailedOpen(scope: string): boolean {
  const faults = faultsOf(scope);
  if (faults.failOpens <= 0) return false;
  faults.failOpens--;
  return true;
}

export function holdTickets(scope: string, queue: TicketQueue, tickets: readonly Ticket[]): void {
  held.push({ scope, queue, tickets });
}

/** Those held for a queue; they are held no longer. */
export function takeHeld(scope: string): { readonly queue: TicketQueue; readonly tickets: readonly Ticket[] }[] {
  const taken = held.filter((one) => one.scope === scope);
  for (const one of taken) held.splice(held.indexOf(one), 1);
  return taken;
}
