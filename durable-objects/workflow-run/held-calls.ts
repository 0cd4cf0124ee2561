/**
 * Calls that failed: when each is made again, and why it failed, for whoever asks why a run waits. The reason is a row
 * besides, because an idle object loses its memory; when to call again is not: then it is called at once.
 */
import { retryDelay } from "../../core/retry.ts";
import type { Sql } from "../sql/sql.ts";

const BACKOFF = { maxAttempts: 100, backoff: "exponential", baseMs: 1_000, capMs: 60_000, jitter: "none" } as const;
/**
 * Others ask a full queue again and again, and a place in it is whose question comes first; but each question carries the
 * whole portion: every 2 s, 200 nodes of 1 KiB sent 72 MB in ten minutes.
 */
const CROWDED = { ...BACKOFF, capMs: 10_000 } as const;
/** What passes by itself is no row. */
const KEPT_FROM = 3;

const LOAD = "SELECT name, why FROM held";
const KEEP = "INSERT OR REPLACE INTO held (name, why) VALUES (?, ?)";
const FORGET = "DELETE FROM held WHERE name = ?";

interface HeldCall {
  readonly failures: number;
  /** When it is made again (Unix ms). */
  readonly at: number;
  /** `code: detail`. */
  readonly why: string;
}

export class HeldCalls {
  readonly #calls = new Map<string, HeldCall>();
  /** As the rows are. */
  readonly #kept = new Map<string, string>();

  isFree(name: string, now: number): boolean {
    const call = this.#calls.get(name);
    return call === undefined || call.at <= now;
  }

  /** @param random a draw from [0, 1): runs that wait for the same full queue do not ask at the same moment */
  hold(name: string, why: string, now: number, random: () => number): void {
    const failures = (this.#calls.get(name)?.failures ?? 0) + 1;
    const pause =
      codeOf(why) === "queue-full"
        ? retryDelay(CROWDED, failures, 0) * (1 - random() / 2)
        : retryDelay(BACKOFF, failures, 0);
    this.#calls.set(name, { failures, at: now + Math.ceil(pause), why });
  }

  release(name: string): void {
    this.#calls.delete(name);
  }

  /** Of the first of these that is held; null: none is. */
  why(names: readonly string[]): string | null {
    for (const name of names) {
      const call = this.#calls.get(name);
      if (call) return call.why;
    }
    return null;
  }

  /** When it is made again (Unix ms); null: it is not held. */
  until(name: string): number | null {
    return this.#calls.get(name)?.at ?? null;
  }

  get isEmpty(): boolean {
    return this.#calls.size === 0;
  }

  /** When the first of them is made again (Unix ms); null: none is held. */
  next(): number | null {
    return this.isEmpty ? null : Math.min(...Array.from(this.#calls.values(), ({ at }) => at));
  }

  /** From rows, after memory was lost. */
  load(sql: Sql): void {
    this.#kept.clear();
    for (const { name, why } of sql.all<{ name: string; why: string }>(LOAD)) {
      this.#kept.set(name, why);
      if (!this.#calls.has(name)) this.#calls.set(name, { failures: KEPT_FROM, at: 0, why });
    }
  }

  /**
   * After a round of calls that began at `roundAt` (Unix ms): what could be called then and was not has nothing to be
   * called for. Writes what has changed of the rest.
   * @param underWay the one that has not answered yet
   */
  keep(sql: Sql, roundAt: number, underWay: string | null): void {
    for (const [name, { at }] of this.#calls) if (at <= roundAt && name !== underWay) this.#calls.delete(name);
    for (const [name, { failures, why }] of this.#calls) {
      const kept = this.#kept.get(name);
      if (failures < KEPT_FROM || (kept !== undefined && codeOf(kept) === codeOf(why))) continue;
      sql.run(KEEP, name, why);
      this.#kept.set(name, why);
    }
    for (const name of this.#kept.keys()) {
      if (this.#calls.has(name)) continue;
      sql.run(FORGET, name);
      this.#kept.delete(name);
    }
  }

  clear(): void {
    this.#calls.clear();
    this.#kept.clear();
  }
}

/** Why a call failed, as it is held and told: `code: detail`. */
export function reasonOf({ code, detail }: { readonly code: string; readonly detail: string }): string {
  return `${code}: ${detail}`;
}

function codeOf(why: string): string {
  return why.split(":", 1)[0] ?? why;
}
