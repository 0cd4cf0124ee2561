/**
 * Whose turn it is within a priority, by fairnessKey: start-time fair queueing. Each key has a virtual time, which a task
 * of it moves on by one over the key's weight; the key that is least far goes next. A key that had nothing to run is
 * brought up to where the others are, so waiting gains it no credit. Tasks without a key are one key among the others.
 * Kept in memory alone: a shard that lost it begins with all keys level.
 * Source: Goyal, Vin, Cheng, "Start-time Fair Queuing" (SIGCOMM 1996), with every task of length 1.
 */
import type { LaneKey } from "./lanes.ts";

/** Keys that are not ahead of the others need not be remembered; they are looked for when there are so many. */
const MANY_KEYS = 2_000;

export class Fair {
  readonly #weights: ReadonlyMap<string, number>;
  readonly #priorities = new Map<number, Virtual>();

  /** @param weights by fairnessKey; 1 where it names none */
  constructor(weights: Readonly<Record<string, number>>) {
    this.#weights = new Map(Object.entries(weights));
  }

  /** Where the key's next task would start; it never falls. */
  timeOf({ priority, fairnessKey }: Pick<LaneKey, "priority" | "fairnessKey">): number {
    const virtual = this.#priorities.get(priority);
    return virtual === undefined ? 0 : Math.max(virtual.now, virtual.times.get(fairnessKey) ?? 0);
  }

  /** A task of it starts. */
  started(key: Pick<LaneKey, "priority" | "fairnessKey">): void {
    const start = this.timeOf(key);
    const { priority, fairnessKey } = key;
    const virtual = this.#virtualOf(priority);
    const weight = fairnessKey === null ? 1 : (this.#weights.get(fairnessKey) ?? 1);
    virtual.now = start;
    virtual.times.set(fairnessKey, start + 1 / weight);
    if (virtual.times.size >= virtual.lookAt) forgetLevel(virtual);
  }

  /** As far as all keys are now, apart from this one. */
  copy(): Fair {
    const copy = new Fair(Object.fromEntries(this.#weights));
    for (const [priority, { now, times, lookAt }] of this.#priorities)
      copy.#priorities.set(priority, { now, times: new Map(times), lookAt });
    return copy;
  }

  #virtualOf(priority: number): Virtual {
    const known = this.#priorities.get(priority);
    if (known) return known;
    const virtual: Virtual = { now: 0, times: new Map(), lookAt: MANY_KEYS };
    this.#priorities.set(priority, virtual);
    return virtual;
  }
}

interface Virtual {
  /** Where the task that started last began. */
  now: number;
  readonly times: Map<string | null, number>;
  lookAt: number;
}

function forgetLevel(virtual: Virtual): void {
  for (const [key, time] of virtual.times) if (time <= virtual.now) virtual.times.delete(key);
  virtual.lookAt = Math.max(MANY_KEYS, 2 * virtual.times.size);
}
