/**
 * Whose turn it is within a priority, by fairnessKey: start-time fair queueing. Each key has a virtual time, which a task
 * of it moves on by one over the key's weight; the key that is least far goes next. A key that had nothing to run, or
 * was at a limit, is brought up to some tasks behind the others: so many of what it missed it is handed at once, and no
 * more. So a few tasks that come behind many of another key hardly wait for them, and a key that comes and goes has never
 * had more than its share of all that was started. Tasks without a key are one key among the others.
 * Kept in memory alone: a shard that lost it begins with all keys level.
 * Sources: Goyal, Vin, Cheng, "Start-time Fair Queuing" (SIGCOMM 1996), with every task of length 1; who comes back goes
 * ahead a bounded while, as in Duda, Cheriton, "Borrowed-virtual-time scheduling" (SOSP 1999).
 */
import type { LaneKey } from "./lanes.ts";

/** Keys that are as far behind as may be need not be remembered; they are looked for when there are so many. */
const MANY_KEYS = 2_000;
/** What a key that was idle is handed before it takes turns, of what it missed. docs/design/shard.md has the numbers. */
export const AHEAD_AFTER_IDLE = 8;

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
    return virtual === undefined ? 0 : this.#timeIn(virtual, fairnessKey);
  }

  /** A task of it starts. */
  started(key: Pick<LaneKey, "priority" | "fairnessKey">): void {
    const { priority, fairnessKey } = key;
    const virtual = this.#virtualOf(priority);
    const start = this.#timeIn(virtual, fairnessKey);
    virtual.now = Math.max(virtual.now, start);
    virtual.times.set(fairnessKey, start + 1 / this.#weightOf(fairnessKey));
    if (virtual.times.size >= virtual.lookAt) this.#forgetIdle(virtual);
  }

  /** As far as all keys are now, apart from this one. */
  copy(): Fair {
    const copy = new Fair(Object.fromEntries(this.#weights));
    for (const [priority, { now, times, lookAt }] of this.#priorities)
      copy.#priorities.set(priority, { now, times: new Map(times), lookAt });
    return copy;
  }

  /** A key that is not known has had nothing since these turns began. */
  #timeIn(virtual: Virtual, fairnessKey: string | null): number {
    return Math.max(this.#earliest(virtual, fairnessKey), virtual.times.get(fairnessKey) ?? 0);
  }

  /** As far behind as a key may be. */
  #earliest({ now }: Virtual, fairnessKey: string | null): number {
    return now - AHEAD_AFTER_IDLE / this.#weightOf(fairnessKey);
  }

  #weightOf(fairnessKey: string | null): number {
    return fairnessKey === null ? 1 : (this.#weights.get(fairnessKey) ?? 1);
  }

  /** Of these it is the same whether they are known. */
  #forgetIdle(virtual: Virtual): void {
    for (const [key, time] of virtual.times)
      if (time <= Math.max(0, this.#earliest(virtual, key))) virtual.times.delete(key);
    virtual.lookAt = Math.max(MANY_KEYS, 2 * virtual.times.size);
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
  /** The furthest that a task began. */
  now: number;
  readonly times: Map<string | null, number>;
  lookAt: number;
}
