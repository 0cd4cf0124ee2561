/**
 * Deliveries under way, who waits for a place among them, and what is known of receivers: in memory alone, so that it is
 * learnt anew where that was lost, from what rows tell of earlier attempts.
 */
import { MOST_AT_ONCE, placesFor, SLOW_MS, type Standing, type TakenPlaces } from "../../../core/delivery-places.ts";
import type { DeliveryAttempt } from "../../../core/schema/webhooks-rpc.ts";

/** Beyond so many receivers what is known of those that do not wait is forgotten, and learnt anew. */
const MOST_KNOWN = 5_000;

/** In this order: of new ones it is known soon, and good ones have a place that is kept for them. */
const STANDINGS = ["new", "good", "slow"] as const satisfies readonly Standing[];

/** One delivery that is being sent. */
export interface Flight {
  readonly n: number;
  readonly receiver: string;
  /** Unix ms. */
  readonly since: number;
  /** It was known that its receiver is slow, so it has its place for as long as it takes. */
  readonly isPatient: boolean;
  readonly controller: AbortController;
}

export class Outbound {
  /** By the delivery's number. */
  readonly inFlight = new Map<number, Flight>();
  /** Receivers with something due, each in its turn. */
  readonly #waiting: Readonly<Record<Standing, Set<string>>> = { new: new Set(), good: new Set(), slow: new Set() };
  /** Whether more receivers have something due than were taken in. */
  hasUnseen = false;
  sentInARow = 0;
  /** By webhook: when an operator was told last that it does not take what it is sent (Unix ms). */
  readonly reportedAt = new Map<string, number>();
  readonly #standings = new Map<string, Standing>();

  knows(receiver: string): boolean {
    return this.#standings.has(receiver);
  }

  /** Nobody is slow that answers quickly, whatever it says. @param last its latest attempt, where one is known */
  learn(receiver: string, last: Pick<DeliveryAttempt, "status" | "ms"> | undefined): void {
    const isSlow = last !== undefined && (last.status === null || last.ms > SLOW_MS);
    this.#note(receiver, isSlow ? "slow" : last ? "good" : "new");
  }

  /** It has not answered for {@link SLOW_MS}. */
  becomeSlow(receiver: string): void {
    this.#note(receiver, "slow");
  }

  standingOf(receiver: string): Standing {
    return this.#standings.get(receiver) ?? "new";
  }

  begin(n: number, receiver: string, since: number): Flight {
    const isPatient = this.standingOf(receiver) === "slow";
    const flight = { n, receiver, since, isPatient, controller: new AbortController() };
    this.inFlight.set(n, flight);
    return flight;
  }

  /** @returns whether it was under way until now, and not cut off meanwhile */
  end({ n, controller }: Flight): boolean {
    return this.inFlight.get(n)?.controller === controller && this.inFlight.delete(n);
  }

  wait(receiver: string): void {
    this.#waiting[this.standingOf(receiver)].add(receiver);
  }

  waitNoMore(receiver: string): void {
    this.#waiting[this.standingOf(receiver)].delete(receiver);
  }

  /** Behind all that wait already. */
  waitAnew(receiver: string): void {
    this.waitNoMore(receiver);
    this.wait(receiver);
  }

  /** Who may have places now, in their turn, and how many each; as they are when the next is asked for. */
  *candidates(now: number): Iterable<{ readonly receiver: string; readonly room: number }> {
    for (const standing of STANDINGS)
      for (const receiver of [...this.#waiting[standing]]) {
        if (this.inFlight.size >= MOST_AT_ONCE && this.#overdue(now).length === 0) return;
        const room = this.#roomFor(receiver, now);
        if (room > 0) yield { receiver, room };
        // Where there is none for one that has none, there is none for others like it.
        else if (this.#taken(receiver, []).own === 0) break;
      }
  }

  /** How many more a receiver may be sent now; where it would be none, what is overdue is cut off for it. */
  #roomFor(receiver: string, now: number): number {
    const standing = this.standingOf(receiver);
    const cut: Flight[] = [];
    let room = placesFor(standing, this.#taken(receiver, cut), this.#waiting.slow.size > 0);
    if (room > 0 || standing === "slow") return room;
    for (const flight of this.#overdue(now)) {
      if (flight.receiver === receiver) continue;
      cut.push(flight);
      room = placesFor(standing, this.#taken(receiver, cut), true);
      if (room > 0) break;
    }
    if (room > 0) for (const flight of cut) this.#cutOff(flight);
    return room;
  }

  /** Those that have had their time, and whose receiver is only now known as slow; the latest to begin first. */
  #overdue(now: number): Flight[] {
    return [...this.inFlight.values()].filter((one) => !one.isPatient && now - one.since >= SLOW_MS).reverse();
  }

  /** Its row is pending still, and its turn comes as that of a slow one: nothing is recorded. */
  #cutOff(flight: Flight): void {
    this.end(flight);
    this.becomeSlow(flight.receiver);
    flight.controller.abort();
    this.waitAnew(flight.receiver);
  }

  #note(receiver: string, standing: Standing): void {
    if (this.#standings.size >= MOST_KNOWN) this.#forgetIdle();
    const waited = this.#waiting[this.standingOf(receiver)].delete(receiver);
    this.#standings.set(receiver, standing);
    if (waited) this.wait(receiver);
  }

  #forgetIdle(): void {
    for (const [receiver, standing] of this.#standings)
      if (!this.#waiting[standing].has(receiver)) this.#standings.delete(receiver);
  }

  #taken(receiver: string, without: readonly Flight[]): TakenPlaces {
    const taken = { own: 0, all: 0, good: 0, new: 0, slow: 0 };
    for (const flight of this.inFlight.values()) {
      if (without.includes(flight)) continue;
      taken.all++;
      taken[this.standingOf(flight.receiver)]++;
      if (flight.receiver === receiver) taken.own++;
    }
    return taken;
  }
}
