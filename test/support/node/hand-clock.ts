/** A clock that stands still until a test moves it; timers run in order of their time, each at its own moment. */
import type { Ports } from "../../../core/ports.ts";

export class HandClock implements Pick<Ports, "now" | "later"> {
  #now: number;
  #timers: { at: number; run: () => void }[] = [];

  constructor(start = Date.UTC(2026, 10, 24, 12)) {
    this.#now = start;
  }

  now = (): number => this.#now;

  later = (ms: number, run: () => void): (() => void) => {
    const timer = { at: this.#now + ms, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  };

  /** Timers that are set and have neither run nor been stopped. */
  get pending(): number {
    return this.#timers.length;
  }

  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const due = this.#timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
      if (!due) break;
      this.#timers = this.#timers.filter((other) => other !== due);
      this.#now = Math.max(this.#now, due.at);
      due.run();
    }
    this.#now = end;
  }
}
