/**
 * How quick a session's tasks are, as it sees them: decides how many it claims ahead of its slots. Quick tasks are
 * claimed ahead, so that a call brings many; slow ones are not, so that nothing waits behind them.
 */

/** Ahead of its slots a session claims what this much measured run time holds; slower tasks are not claimed ahead. */
export const AHEAD_MS = 20;
/**
 * And no more than it gets done in this time, calls included: a clock that stands still while code runs (Cloudflare's)
 * shows no run time for what only computes. With the same 20 ms here, round trips of 15 ms under load kept the window
 * at 13 tasks a turn, a quarter of the throughput.
 */
const AHEAD_PACE_MS = 100;
const MAX_AHEAD = 128;
/** Weight of the newest measurement in the running means. */
const NEWEST = 0.2;

export class Pace {
  /** Mean run time of a task, and mean time between tasks, ms. null: not measured. */
  #runMs: number | null = null;
  #paceMs: number | null = null;
  #handoutAt: number;
  #endedSince = 0;

  constructor(now: number) {
    this.#handoutAt = now;
  }

  ended(tookMs: number): void {
    this.#runMs = mean(this.#runMs, tookMs);
    this.#endedSince++;
  }

  handedOut(now: number): void {
    if (this.#endedSince > 0) this.#paceMs = mean(this.#paceMs, (now - this.#handoutAt) / this.#endedSince);
    this.#handoutAt = now;
    this.#endedSince = 0;
  }

  /** What was measured does not hold: the slots are full of something slow. */
  wasStuck(): void {
    this.#runMs = AHEAD_MS + 1;
  }

  /** How many tasks to claim beyond the slots. */
  ahead(slots: number): number {
    if (this.#runMs === null || this.#paceMs === null || this.#runMs > AHEAD_MS) return 0;
    const byRunTime = (AHEAD_MS * slots) / Math.max(this.#runMs, 0.01);
    const byPace = AHEAD_PACE_MS / Math.max(this.#paceMs, 0.01);
    return Math.min(MAX_AHEAD, Math.floor(byRunTime), Math.floor(byPace));
  }
}

function mean(before: number | null, newest: number): number {
  return before === null ? newest : before * (1 - NEWEST) + newest * NEWEST;
}
