/**
 * The ticket queues: each message goes to some worker, and again if that one died before it acked; after max_retries
 * it is a dead ticket. Under faults tickets get lost, come twice, or a minute late. It keeps nothing over a reboot.
 */
import type { TicketQueue } from "../../core/ports.ts";
import type { Ticket } from "../../core/schema/session-rpc.ts";
import type { Faults } from "./faults.ts";
import { SIMULATED } from "./host.ts";
import type { Random } from "./random.ts";
import type { Tally } from "./tally.ts";
import { Life, type Timeline } from "./timeline.ts";

/** wrangler.toml: max_retries. */
const MAX_RETRIES = 5;
const LATE_MS = 60_000;
/** What the retries of a ticket that cannot be redeemed take: 2, 4, 8, 16, 30 s and a little. */
const ALL_RETRIES_MS = 61_000;
/** A message whose worker died comes again after this. */
const REDELIVERY_MS = 5_000;

export interface Message {
  readonly queue: TicketQueue;
  readonly ticket: Ticket;
  attempts: number;
  isSettled: boolean;
}

export class Broker {
  /** Gives a message to a worker; false: none is up. `done` is called when the worker's stay is over. */
  deliver: (message: Message, done: () => void) => boolean = () => false;
  onDead: (ticket: Ticket) => void = () => {};
  #life = new Life("broker");
  #waiting = 0;
  #solo: Message[] = [];
  #isSoloBusy = false;
  readonly #timeline: Timeline;
  readonly #faults: Faults;
  readonly #random: Random;
  readonly #tally: Tally;

  constructor(timeline: Timeline, faults: Faults, random: Random, tally: Tally) {
    this.#timeline = timeline;
    this.#faults = faults;
    this.#random = random;
    this.#tally = tally;
  }

  /** Messages that no worker has. */
  get backlog(): number {
    return this.#waiting + this.#solo.length;
  }

  /** Any other queue. The promise settles later, in the life of who sends. */
  tell(sender: Life, arrive: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const isRefused = this.#faults.strikes("refused-send");
      this.#timeline.after(this.#random.between(0, 5), sender, isRefused ? "send refused" : "sent", () =>
        isRefused ? reject(new Error(`${SIMULATED}: Queue sendBatch failed`)) : resolve(),
      );
      if (!isRefused) arrive();
    });
  }

  send(queue: TicketQueue, tickets: readonly Ticket[], sender: Life): Promise<void> {
    return this.tell(sender, () => {
      for (const ticket of tickets) this.#accept(queue, ticket);
    });
  }

  /** The local service died. */
  clear(): void {
    this.#life.isAlive = false;
    this.#life = new Life("broker");
    this.#waiting = 0;
    this.#solo = [];
    this.#isSoloBusy = false;
  }

  /** Whoever had it is gone; unless it was acked, it comes again. */
  abandoned(message: Message): void {
    if (message.queue === "solo") this.#soloIsFree();
    if (!message.isSettled) this.retry(message, REDELIVERY_MS);
  }

  retry(message: Message, delayMs: number): void {
    message.isSettled = true;
    if (message.attempts > MAX_RETRIES) {
      this.#dies(message.ticket);
      return;
    }
    this.#enqueue({ ...message, attempts: message.attempts + 1, isSettled: false }, delayMs);
  }

  #dies(ticket: Ticket): void {
    this.#tally.count("dead ticket");
    this.onDead(ticket);
  }

  #accept(queue: TicketQueue, ticket: Ticket): void {
    this.#tally.count(queue === "solo" ? "solo ticket" : "ticket");
    if (this.#faults.strikes("lost-ticket")) return;
    if (this.#faults.strikes("hopeless-ticket")) {
      this.#timeline.after(ALL_RETRIES_MS, this.#life, "dead ticket", () => this.#dies(ticket));
      return;
    }
    const copies = this.#faults.strikes("doubled-ticket") ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      const late = this.#faults.strikes("late-ticket") ? this.#random.between(1_000, LATE_MS) : 0;
      this.#enqueue({ queue, ticket, attempts: 1, isSettled: false }, late + this.#random.between(1, 10));
    }
  }

  #enqueue(message: Message, delayMs: number): void {
    this.#waiting++;
    this.#timeline.after(delayMs, this.#life, "ticket", () => {
      this.#waiting--;
      if (message.queue === "solo") this.#solo.push(message);
      else this.#hand(message);
      this.#nextSolo();
    });
  }

  /** max_concurrency 1: one at a time, until its stay is over. */
  #nextSolo(): void {
    const message = this.#isSoloBusy ? undefined : this.#solo.shift();
    if (!message) return;
    this.#isSoloBusy = true;
    this.#hand(message);
  }

  #hand(message: Message): void {
    const life = this.#life;
    const done = () => {
      if (message.queue === "solo" && life.isAlive) this.#soloIsFree();
    };
    if (this.deliver(message, done)) return;
    done();
    this.#enqueue(message, 1_000);
  }

  #soloIsFree(): void {
    this.#isSoloBusy = false;
    this.#nextSolo();
  }
}
