/**
 * What handlers have told of how far they are, and the shard has not heard: of each task the latest. It goes with any
 * turn; for itself it is worth one each half second, however often a handler tells it.
 */
import type { Seq } from "../core/ids.ts";

const TOLD_EACH_MS = 500;

export class LatestProgress {
  #texts = new Map<Seq, string>();
  #toldAt: number;

  constructor(now: number) {
    this.#toldAt = now - TOLD_EACH_MS;
  }

  /** When it is worth a turn of its own (Unix ms); null: there is none. */
  get dueAt(): number | null {
    return this.#texts.size === 0 ? null : this.#toldAt + TOLD_EACH_MS;
  }

  isDue(now: number): boolean {
    return this.#texts.size > 0 && (now >= this.#toldAt + TOLD_EACH_MS || now < this.#toldAt);
  }

  /** @returns whether there was none: a turn is to be thought of */
  note(seq: Seq, text: string): boolean {
    const isFirst = this.#texts.size === 0;
    this.#texts.set(seq, text);
    return isFirst;
  }

  /** The attempt is over, or another one is under way. */
  drop(seq: Seq): void {
    this.#texts.delete(seq);
  }

  /** All of it, to be told now. */
  take(now: number): [Seq, string][] {
    if (this.#texts.size === 0) return [];
    const taken = [...this.#texts];
    this.#texts = new Map();
    this.#toldAt = now;
    return taken;
  }

  /** A turn that carried it was given up; what was told since is newer. */
  bringBack(told: Iterable<readonly [Seq, string]>, runs: (seq: Seq) => boolean): void {
    for (const [seq, text] of told) if (runs(seq) && !this.#texts.has(seq)) this.#texts.set(seq, text);
  }
}
