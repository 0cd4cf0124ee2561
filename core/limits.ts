/**
 * How much may run at once of each task type and of each limitKey, beside what the queue as a whole may. Counts what
 * runs, from sessions' claims; a limitKey that is full is closed in `Lanes`, so that its tasks, however many, are looked
 * at by nobody until one of them ends. Made anew whenever settings change.
 * Must stay true: a key is closed exactly while it has no room.
 */
import type { Lanes } from "./lanes.ts";
import { type Limit, type QueueSettings, shareOf } from "./schema/queue-settings.ts";

/** What of a task decides the limits that it is under. */
export interface Limited {
  readonly type: string;
  readonly limitKey: string | null;
}

export class Limits {
  readonly #types = new Map<string, Gauge>();
  readonly #keys = new Map<string, Gauge>();
  readonly #keyLimits: Limit;
  readonly #overrides: ReadonlyMap<string, Limit>;
  readonly #lanes: Lanes;

  /** @param running whatever runs at the shard now */
  constructor(settings: QueueSettings, shard: number, lanes: Lanes, running: Iterable<Limited>) {
    this.#lanes = lanes;
    this.#keyLimits = settings.keyLimits;
    this.#overrides = new Map(Object.entries(settings.keyLimitOverrides));
    for (const [type, limit] of Object.entries(settings.typeLimits)) {
      const { concurrency = null } = limit;
      this.#types.set(type, new Gauge(concurrency === null ? null : shareOf(concurrency, settings, shard)));
    }
    for (const task of running) this.started(task);
  }

  /** How many more tasks of that type may start. */
  typeRoom(type: string): number {
    return this.#types.get(type)?.room ?? Number.POSITIVE_INFINITY;
  }

  /** How many more tasks of that limitKey may start. */
  keyRoom(limitKey: string): number {
    return this.#keyGauge(limitKey).room;
  }

  started({ type, limitKey }: Limited): void {
    this.#types.get(type)?.count(1);
    if (limitKey === null) return;
    const gauge = this.#keyGauge(limitKey);
    this.#keys.set(limitKey, gauge);
    gauge.count(1);
    if (gauge.room === 0) this.#lanes.close(limitKey);
  }

  ended({ type, limitKey }: Limited): void {
    this.#types.get(type)?.count(-1);
    if (limitKey === null) return;
    const gauge = this.#keyGauge(limitKey);
    gauge.count(-1);
    if (gauge.running === 0) this.#keys.delete(limitKey);
    if (gauge.room > 0 && this.#lanes.isClosed(limitKey)) this.#lanes.open(limitKey);
  }

  #keyGauge(limitKey: string): Gauge {
    const known = this.#keys.get(limitKey);
    if (known) return known;
    const { concurrency = null } = { ...this.#keyLimits, ...this.#overrides.get(limitKey) };
    return new Gauge(concurrency);
  }
}

/** Whether a queue limits anything but its whole. */
export function hasLimits({ typeLimits, keyLimits, keyLimitOverrides }: QueueSettings): boolean {
  return [typeLimits, keyLimits, keyLimitOverrides].some((limits) => Object.keys(limits).length > 0);
}

class Gauge {
  running = 0;
  readonly #concurrency: number | null;

  /** @param concurrency null: as many as come */
  constructor(concurrency: number | null) {
    this.#concurrency = concurrency;
  }

  get room(): number {
    return this.#concurrency === null ? Number.POSITIVE_INFINITY : Math.max(0, this.#concurrency - this.running);
  }

  count(change: number): void {
    this.running += change;
  }
}
