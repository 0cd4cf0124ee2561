/**
 * Rates, checked from outside: no bucket is asked, only what was claimed and when, over evictions, crashes and restarts.
 * Over any `periodMs` no more than `limit` and `burst` tasks start, of the queue, of a type, of a limitKey.
 */
import type { QueueSettings, RateSetting } from "../../core/schema/queue-settings.ts";
import type { Sql } from "../../durable-objects/sql/sql.ts";
import { must } from "./violation.ts";
import type { SeenMove } from "./witness.ts";

const OF_TASK = "SELECT type, limit_key FROM task WHERE seq = ?";

export class RateCheck {
  /** By what is limited: its rate, and when its tasks started since it has that rate (Unix ms). */
  readonly #starts = new Map<string, { readonly rate: RateSetting; readonly at: number[] }>();

  /**
   * @param now of the shard's clock
   * @param settings that the shard goes by
   */
  committed(moves: readonly SeenMove[], sql: Sql, settings: QueueSettings, now: number): void {
    for (const move of moves) {
      if (move.now !== "RUNNING") continue;
      const task = sql.all<{ type: string; limit_key: string | null }>(OF_TASK, move.seq)[0];
      if (!task) continue;
      this.#start("the queue", settings.rate, now);
      this.#start(`type ${task.type}`, settings.typeLimits[task.type]?.rate, now);
      if (task.limit_key === null) continue;
      const limit = { ...settings.keyLimits, ...settings.keyLimitOverrides[task.limit_key] };
      this.#start(`key ${task.limit_key}`, limit.rate, now);
    }
  }

  /** The shard's clock jumped: what comes after is not to be held against what was before. */
  forget(): void {
    this.#starts.clear();
  }

  #start(name: string, rate: RateSetting | null | undefined, now: number): void {
    if (!rate) {
      this.#starts.delete(name);
      return;
    }
    const known = this.#starts.get(name);
    const log = known && JSON.stringify(known.rate) === JSON.stringify(rate) ? known : { rate, at: [] };
    this.#starts.set(name, log);
    log.at.push(now);
    while ((log.at[0] ?? now) < now - rate.periodMs) log.at.shift();
    const { limit, burst = 1 } = rate;
    must(
      log.at.length <= limit + burst,
      () => `${log.at.length} tasks of ${name} started within ${rate.periodMs} ms, the rate is ${JSON.stringify(rate)}`,
    );
  }
}
