/**
 * Outcomes of a session that its shard has not heard of. Must stay true: one is gone for good only once a turn that
 * carried it was answered; a turn that is given up brings its own back, before those that ended after them.
 */
import { MAX_ANSWER_BYTES } from "../core/bytes.ts";
import type { Seq } from "../core/ids.ts";
import type { Outcome } from "../core/schema/session-rpc.ts";

export class Untold {
  #outcomes: Outcome[] = [];
  #since: number | null = null;

  get isEmpty(): boolean {
    return this.#outcomes.length === 0;
  }
  /** When the oldest was told to us (Unix ms; 0: it has gone out once, in vain); null: there is none. */
  get since(): number | null {
    return this.#since;
  }
  get seqs(): Seq[] {
    return this.#outcomes.map(({ seq }) => seq);
  }
  /** Whether one call may carry them all. */
  get fitOneCall(): boolean {
    return this.#fitting() === this.#outcomes.length;
  }

  add(outcome: Outcome, now: number): void {
    this.#outcomes.push(outcome);
    this.#since ??= now;
  }

  /** The oldest ones, as many as one call may carry. */
  take(): Outcome[] {
    const outcomes = this.#outcomes.splice(0, this.#fitting());
    if (this.isEmpty) this.#since = null;
    return outcomes;
  }

  bringBack(outcomes: readonly Outcome[]): void {
    this.#outcomes = [...outcomes, ...this.#outcomes];
    if (!this.isEmpty) this.#since = 0;
  }

  /** How many one call may carry, by bytes: at least one. */
  #fitting(): number {
    let bytes = 0;
    const over = this.#outcomes.findIndex((outcome) => {
      bytes += outcome.kind === "succeeded" ? outcome.result.length : 0;
      return bytes > MAX_ANSWER_BYTES;
    });
    return over < 0 ? this.#outcomes.length : Math.max(1, over);
  }
}
