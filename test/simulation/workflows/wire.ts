/** The wire between objects: a call arrives later, perhaps never, perhaps twice, and its answer perhaps not at all. */
import type { Random } from "../random.ts";
import { Life, type Timeline } from "../timeline.ts";
import type { WorkflowFaults } from "./faults.ts";

export const LOST = "simulated: no connection";
const NETWORK = new Life("network");

/** Lets a message out of an object: now, or when what it tells is durable. */
export type Release = (message: () => void) => void;

export class Wire {
  readonly #timeline: Timeline;
  readonly #random: Random;
  readonly #faults: WorkflowFaults;

  constructor(timeline: Timeline, random: Random, faults: WorkflowFaults) {
    this.#timeline = timeline;
    this.#random = random;
    this.#faults = faults;
  }

  call<T>(caller: Life, release: Release, receive: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      release(() => this.#send(caller, receive, resolve, reject));
    });
  }

  #send<T>(
    caller: Life,
    receive: () => Promise<T>,
    resolve: (answer: T) => void,
    reject: (error: Error) => void,
  ): void {
    const later = (high: number, life: Life, what: string, run: () => void) =>
      void this.#timeline.after(this.#random.between(0, high), life, what, run);
    const fail = () => later(200, caller, "lost", () => reject(new Error(LOST)));
    if (this.#random.chance(this.#faults.lostRequest)) {
      fail();
      return;
    }
    const answer = (told: T) => {
      if (this.#random.chance(this.#faults.lostAnswer)) fail();
      else later(3, caller, "answer", () => resolve(structuredClone(told)));
    };
    later(3, NETWORK, "call", () => void receive().then(answer, fail));
    if (this.#random.chance(this.#faults.doubled))
      later(3, NETWORK, "the same call", () => void receive().catch(() => {}));
  }
}
