/**
 * How much may run at once, and how much may start in a time, of each task type and of each limitKey, and what of the
 * queue as a whole may start. Counts what runs from sessions' claims; levels of token buckets are the shard's, in memory
 * and in rows. A limitKey without room is closed in `Lanes`, so that its tasks, however many, are looked at by nobody
 * until one of them ends or a token comes. Made anew whenever settings change.
 * Must stay true: what has no room is not started, and a key with room is closed no longer than to its next token's time.
 */

import type { Band } from "./bands.ts";
import type { Share } from "./explain-reasons.ts";
import { Heap, type HeapItem } from "./heap.ts";
import type { Lanes } from "./lanes.ts";
import { type Limit, type QueueSettings, shareOf, shareToTell } from "./schema/queue-settings.ts";
import { type Level, levelFrom, nextTokenAt, type Rate, takeToken, tokensIn } from "./token-bucket.ts";

/** What of a task decides the limits that it is under. */
export interface Limited {
  readonly type: string;
  readonly limitKey: string | null;
}

/** What a shard knows when its limits are made. */
export interface LimitsOf {
  readonly shard: number;
  readonly lanes: Lanes;
  /** Whatever runs now. */
  readonly running: Iterable<Limited>;
  /** By a bucket's name; changed by what is started. */
  readonly levels: Map<string, Level>;
}

/** How a limit stands towards a task that waits for it. */
export interface Standing {
  readonly running: number;
  /** Tasks that may run at once; null: as many as come. */
  readonly concurrency: number | null;
  readonly rate: Rate | null;
  /** Tokens that lie ready; Infinity where there is no rate. */
  readonly tokens: number;
  /** When the next token but so many comes, each taken as it comes (Unix ms). */
  readonly tokenAt: (ahead: number) => number;
  /** Where shards share the limit: what of; absent or null: it is whole. */
  readonly share?: { readonly concurrency: Share | null; readonly rate: Share | null } | null;
}

/** A token's alarm comes no sooner than this (ms): high rates are served by the turns that sessions take anyway. */
const SHORTEST_WAIT_MS = 20;

export class Limits {
  /** Names of the buckets that tokens were taken from since somebody last kept them. */
  readonly changed = new Set<string>();
  readonly #queue: Gauge | null;
  readonly #types = new Map<string, Gauge>();
  readonly #keys = new Map<string, Gauge>();
  readonly #ofEachKey: Bound;
  readonly #ofKeys = new Map<string, Bound>();
  readonly #areKeysRated: boolean;
  readonly #lanes: Lanes;
  readonly #levels: Map<string, Level>;
  /** Closed keys that a token will open. */
  readonly #wakes = new Heap<Gauge>((a, b) => a.wakeAt < b.wakeAt);
  #releasedAt = 0;
  readonly #settings: QueueSettings;

  constructor(settings: QueueSettings, { shard, lanes, running, levels }: LimitsOf, now: number) {
    const { rate, typeLimits, keyLimits, keyLimitOverrides } = settings;
    this.#settings = settings;
    this.#lanes = lanes;
    this.#levels = levels;
    const whole = (limit: number) => limit;
    const share = (limit: number) => shareOf(limit, settings, shard);
    this.#ofEachKey = boundOf(keyLimits, whole);
    for (const [limitKey, limit] of Object.entries(keyLimitOverrides))
      this.#ofKeys.set(limitKey, boundOf({ ...keyLimits, ...limit }, whole));
    this.#areKeysRated = [this.#ofEachKey, ...this.#ofKeys.values()].some((bound) => bound.rate !== null);
    this.#queue = rate === null ? null : new Gauge("queue", boundOf({ rate }, share), levels);
    for (const [type, limit] of Object.entries(typeLimits))
      this.#types.set(type, new Gauge(`type ${type}`, boundOf(limit, share), levels));
    for (const task of running) this.#count(task);
    this.#setLevels(now);
    for (const name of levels.keys()) if (name.startsWith(KEY)) this.#keyGauge(name.slice(KEY.length));
    for (const [limitKey, gauge] of [...this.#keys]) this.#settle(limitKey, gauge, now);
  }

  /** How many more tasks of the queue may start now; concurrency apart. */
  queueRoom(now: number): number {
    return this.#queue?.room(now) ?? Number.POSITIVE_INFINITY;
  }

  /** How many more tasks of that type may start now. */
  typeRoom(type: string, now: number): number {
    return this.#types.get(type)?.room(now) ?? Number.POSITIVE_INFINITY;
  }

  /** How many more tasks of that limitKey may start now. */
  keyRoom(limitKey: string, now: number): number {
    const gauge = this.#keys.get(limitKey);
    if (gauge) return gauge.room(now);
    const bound = this.#boundOfKey(limitKey);
    return roomIn(bound, 0, bound.rate === null ? undefined : this.#levels.get(KEY + limitKey), now);
  }

  /** The limits that a task is under, as they stand; null where there is none of that kind. The queue's is its rate alone. */
  standings({ type, limitKey }: Limited, now: number): { readonly [Of in "queue" | "type" | "key"]: Standing | null } {
    return {
      queue: this.#shared(this.#queue?.standing(now), { rate: this.#settings.rate }),
      type: this.#shared(this.#types.get(type)?.standing(now), this.#settings.typeLimits[type]),
      key: limitKey === null ? null : (this.#keys.get(limitKey) ?? this.#makeGauge(limitKey)).standing(now),
    };
  }

  /** With what it is a share of. */
  #shared(standing: Standing | undefined, { concurrency = null, rate = null }: Limit = {}): Standing | null {
    if (!standing) return null;
    const of = (whole: number | undefined) => (whole === undefined ? null : shareToTell(whole, this.#settings));
    return { ...standing, share: { concurrency: of(concurrency ?? undefined), rate: of(rate?.limit) } };
  }

  /** Whether a rate bounds what a band starts: then it is started when it is claimed, never claimed ahead of the slots. */
  isRated({ type, isKeyed }: Pick<Band, "type" | "isKeyed">): boolean {
    return this.#queue !== null || (isKeyed && this.#areKeysRated) || this.#types.get(type)?.rate != null;
  }

  started(task: Limited, now: number): void {
    const gauge = this.#count(task);
    for (const counted of [this.#queue, this.#types.get(task.type), gauge])
      if (counted?.rate && counted.take(now)) this.changed.add(counted.name);
    if (gauge && task.limitKey !== null) this.#settle(task.limitKey, gauge, now);
  }

  ended({ type, limitKey }: Limited, now: number): void {
    const ofType = this.#types.get(type);
    if (ofType) ofType.running--;
    if (limitKey === null) return;
    const gauge = this.#keyGauge(limitKey);
    gauge.running--;
    this.#settle(limitKey, gauge, now);
  }

  /** Opens the keys whose token has come. */
  release(now: number): void {
    const hasSteppedBack = now < this.#releasedAt;
    this.#releasedAt = now;
    if (hasSteppedBack) {
      this.#setLevels(now);
      this.lookAgain(now);
    }
    for (let top = this.#wakes.top; top && top.wakeAt <= now; top = this.#wakes.top)
      this.#settle(top.limitKey, top, now);
  }

  /** Levels have changed by something else than a token that was taken or came. */
  lookAgain(now: number): void {
    for (const gauge of [...this.#wakes]) this.#settle(gauge.limitKey, gauge, now);
  }

  /** When something that waits may have the token that it lacks (Unix ms); null: nothing lacks one. */
  nextToken(now: number): number | null {
    let next = this.#queue?.lacksToken(now) ? this.#queue.nextTokenAt(now) : null;
    if (next === null) {
      next = this.#wakes.top?.wakeAt ?? null;
      for (const { type, count } of this.#lanes.bands()) {
        const gauge = this.#types.get(type);
        if (count > 0 && gauge?.lacksToken(now))
          next = Math.min(next ?? Number.POSITIVE_INFINITY, gauge.nextTokenAt(now));
      }
    }
    return next === null ? null : Math.max(next, now + SHORTEST_WAIT_MS);
  }

  /** By the clock as it is. */
  #setLevels(now: number): void {
    for (const [name, level] of this.#levels) if (level.at > now) this.#levels.set(name, levelFrom(level, now));
  }

  #count({ type, limitKey }: Limited): Gauge | null {
    const ofType = this.#types.get(type);
    if (ofType) ofType.running++;
    if (limitKey === null) return null;
    const gauge = this.#keyGauge(limitKey);
    gauge.running++;
    return gauge;
  }

  /** Opens or closes a key, as it has room or not; forgets it where nothing of it is to be known. */
  #settle(limitKey: string, gauge: Gauge, now: number): void {
    const isClosed = this.#lanes.isClosed(limitKey);
    if (gauge.room(now) > 0) {
      this.#wakes.delete(gauge);
      if (isClosed) this.#lanes.open(limitKey);
      if (gauge.running === 0) this.#keys.delete(limitKey);
      return;
    }
    if (!isClosed) this.#lanes.close(limitKey);
    if (gauge.lacksToken(now)) {
      gauge.wakeAt = Math.max(gauge.nextTokenAt(now), now + 1);
      this.#wakes.put(gauge);
    } else this.#wakes.delete(gauge);
  }

  #keyGauge(limitKey: string): Gauge {
    const known = this.#keys.get(limitKey);
    if (known) return known;
    const gauge = this.#makeGauge(limitKey);
    this.#keys.set(limitKey, gauge);
    return gauge;
  }

  #makeGauge(limitKey: string): Gauge {
    return new Gauge(KEY + limitKey, this.#boundOfKey(limitKey), this.#levels);
  }

  #boundOfKey(limitKey: string): Bound {
    return this.#ofKeys.get(limitKey) ?? this.#ofEachKey;
  }
}

/** Whether a queue limits anything but how many of it run at once. */
export function hasLimits({ rate, typeLimits, keyLimits, keyLimitOverrides }: QueueSettings): boolean {
  return rate !== null || [typeLimits, keyLimits, keyLimitOverrides].some((limits) => Object.keys(limits).length > 0);
}

/** What a limit means at this shard; null: as much as comes. */
interface Bound {
  readonly concurrency: number | null;
  readonly rate: Rate | null;
}

/** @param share what of a whole is this shard's; a burst is no less than one */
function boundOf({ concurrency = null, rate = null }: Limit, share: (whole: number) => number): Bound {
  if (concurrency !== null) concurrency = share(concurrency);
  if (rate === null) return { concurrency, rate };
  const { limit, periodMs, burst = 1 } = rate;
  return { concurrency, rate: { limit: share(limit), periodMs, burst: Math.max(1, share(burst)) } };
}

function roomIn({ concurrency, rate }: Bound, running: number, level: Level | undefined, now: number): number {
  const free = concurrency === null ? Number.POSITIVE_INFINITY : concurrency - running;
  return Math.max(0, rate === null ? free : Math.min(free, tokensIn(level, rate, now)));
}

const KEY = "key ";

class Gauge implements HeapItem {
  readonly name: string;
  running = 0;
  at = -1;
  /** When the token comes that it is closed for (Unix ms). */
  wakeAt = 0;
  readonly #bound: Bound;
  readonly #levels: Map<string, Level>;

  constructor(name: string, bound: Bound, levels: Map<string, Level>) {
    this.name = name;
    this.#bound = bound;
    this.#levels = levels;
  }

  get rate(): Rate | null {
    return this.#bound.rate;
  }
  get limitKey(): string {
    return this.name.slice(KEY.length);
  }

  room(now: number): number {
    return roomIn(this.#bound, this.running, this.rate === null ? undefined : this.#levels.get(this.name), now);
  }

  lacksToken(now: number): boolean {
    return this.rate !== null && tokensIn(this.#levels.get(this.name), this.rate, now) === 0;
  }

  nextTokenAt(now: number): number {
    return this.rate === null ? now : nextTokenAt(this.#levels.get(this.name), this.rate, now);
  }

  standing(now: number): Standing {
    const { concurrency, rate } = this.#bound;
    const level = this.#levels.get(this.name);
    return {
      running: this.running,
      concurrency,
      rate,
      tokens: rate === null ? Number.POSITIVE_INFINITY : tokensIn(level, rate, now),
      tokenAt: (ahead) => (rate === null ? now : nextTokenAt(level, rate, now, ahead + 1)),
    };
  }

  /** @returns whether it has a bucket at all */
  take(now: number): boolean {
    if (this.rate === null) return false;
    this.#levels.set(this.name, takeToken(this.#levels.get(this.name), this.rate, now));
    return true;
  }
}
