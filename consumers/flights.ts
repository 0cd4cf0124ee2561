/** A session's turns that are under way: at most two, one that may be a long poll, and one that overtakes it with news. */
import type { Seq } from "../core/ids.ts";
import type { AdvanceRequest, ClaimedTask } from "../core/schema/session-rpc.ts";

/** `turn`: whose answer handed it out. A task handed out again unbegun has the same attempt, so that alone tells no claim. */
export interface Held {
  readonly task: ClaimedTask;
  readonly turn: number;
}

export interface Running extends Held {
  readonly startedAt: number;
  isReported: boolean;
}

export interface Flight {
  readonly request: AdvanceRequest;
  readonly started: readonly Running[];
  /** Sent while there was nothing to do: answered empty, it is time to go. */
  readonly isLinger: boolean;
}

export class Flights {
  readonly #byTurn = new Map<number, Flight>();

  get isEmpty(): boolean {
    return this.#byTurn.size === 0;
  }
  /** Whether each may be parked at the shard: none was sent to be answered at once. */
  get areParked(): boolean {
    for (const { request } of this.#byTurn.values()) if (request.waitMs === 0) return false;
    return true;
  }
  /** Whether one more call may be under way: at most one beside a long poll. */
  get mayCall(): boolean {
    return this.#byTurn.size <= 1 && this.areParked;
  }
  /** Of the outcomes that they carry. */
  get seqs(): Seq[] {
    return [...this.#byTurn.values()].flatMap(({ request }) => request.outcomes.map(({ seq }) => seq));
  }

  get(turn: number): Flight | undefined {
    return this.#byTurn.get(turn);
  }

  /** The last turn up to which none is unanswered, with `next` about to be sent. */
  answeredBefore(next: number): number {
    return Math.min(next, ...this.#byTurn.keys()) - 1;
  }

  add(flight: Flight): void {
    this.#byTurn.set(flight.request.turn, flight);
  }

  end(turn: number): void {
    this.#byTurn.delete(turn);
  }
}
