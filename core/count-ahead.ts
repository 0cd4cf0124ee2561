/**
 * What goes before each of several tasks, from one run of a foresight: what starts is kept by the lane that it came from,
 * and whoever's turn comes sums that up, from where it stands. Pure.
 */
import type { Foresight } from "./foresee.ts";
import type { Seq } from "./ids.ts";
import type { LaneKey } from "./lanes.ts";
import { agedPriority, type Started, sinceOf } from "./pick.ts";

/** How many tasks go before one, and why they do. */
export interface Ahead {
  readonly count: number;
  /** There are more; counting ended at `count`. */
  readonly more: boolean;
  /** Of a higher priority. */
  readonly moreUrgent: number;
  /** Of a lower priority, which their age has raised above. */
  readonly raised: number;
  /** Of the same priority, and older (where the queue ages: longer due). */
  readonly older: number;
  /** Younger ones, whose fairnessKey's turn comes first. */
  readonly byTurn: number;
  /** Of the same type, and of the same limitKey. */
  readonly ofType: number;
  readonly ofKey: number;
  /** Of all, of those of its type, of those of its limitKey: how many go first whatever ends, comes due or ages meanwhile. */
  readonly sure: { readonly all: number; readonly ofType: number; readonly ofKey: number };
}

export interface Sought {
  readonly seq: Seq;
  readonly priority: number;
  readonly type: string;
  readonly version: number;
  readonly limitKey: string | null;
  readonly fairnessKey: string | null;
  /** Unix ms. */
  readonly runAt: number | null;
}

/** How many tasks are started before one is sure to be far behind. A look takes some 10 ms by then. */
export const MOST_AHEAD = 10_000;

/** What may yet be spent on sums: lanes that are looked at, and {@link EACH} a task. Where none is left, places alone are told. */
export interface Effort {
  left: number;
}

/** What telling a task takes besides, in lanes looked at. */
export const EACH = 250;

export interface Place {
  /** How many start before it. */
  readonly count: number;
  readonly more: boolean;
  /** null: the effort was spent. */
  readonly ahead: Ahead | null;
}

/** @returns of each task its place; those that do not come to start at all, as their limits stand, are missing */
export function placesOf(
  foresight: Foresight,
  sought: Iterable<Sought>,
  effort: Effort,
  most = MOST_AHEAD,
): Map<Seq, Place> {
  const places = new Map<Seq, Place>();
  const wanted = new Map(Array.from(sought, (task) => [task.seq, task]));
  const before = new Before(foresight.rules);
  for (let count = 0; wanted.size > 0; count++) {
    const next = foresight.next();
    if (next === null) break;
    const found = wanted.get(next.seq);
    if (found) places.set(next.seq, placeAt(found, before, effort, count, false));
    wanted.delete(next.seq);
    if (count >= most) {
      for (const task of wanted.values()) places.set(task.seq, placeAt(task, before, effort, count, true));
      break;
    }
    before.add(next, foresight.priorityOf(next));
  }
  return places;
}

function placeAt(task: Sought, before: Before, effort: Effort, count: number, more: boolean): Place {
  const cost = before.size + EACH;
  if (cost > effort.left) return { count, more, ahead: null };
  effort.left -= cost;
  return { count, more, ahead: { count, more, ...before.sumUp(task) } };
}

/** Tasks of one lane that have started, at one priority as age raised it; their seqs rise. */
interface Group {
  readonly key: LaneKey;
  readonly rank: number;
  readonly isPutOff: boolean;
  readonly seqs: Seq[];
}

class Before {
  readonly #rules: Foresight["rules"];
  readonly #latest = new Map<Started["lane"], Group>();
  readonly #groups: Group[] = [];

  constructor(rules: Foresight["rules"]) {
    this.#rules = rules;
  }

  get size(): number {
    return this.#groups.length;
  }

  add({ seq, lane, isPutOff }: Started, rank: number): void {
    const latest = this.#latest.get(lane);
    if (latest?.rank === rank && latest.isPutOff === isPutOff) {
      latest.seqs.push(seq);
      return;
    }
    const group = { key: lane.key, rank, isPutOff, seqs: [seq] };
    this.#latest.set(lane, group);
    this.#groups.push(group);
  }

  sumUp(sought: Sought): Omit<Ahead, "count" | "more"> {
    const own = agedPriority(sought.priority, sinceOf(sought.seq, sought.runAt), this.#rules);
    const counts = { moreUrgent: 0, raised: 0, older: 0, byTurn: 0, ofType: 0, ofKey: 0 };
    const sure = { all: 0, ofType: 0, ofKey: 0 };
    for (const { key, rank, isPutOff, seqs } of this.#groups) {
      const older = countBelow(seqs, sought.seq);
      const younger = seqs.length - older;
      if (rank > own) counts[key.priority > sought.priority ? "moreUrgent" : "raised"] += seqs.length;
      else if (this.#rules.fair === null) counts.older += seqs.length;
      else {
        counts.older += older;
        counts.byTurn += younger;
      }
      const isOfType = key.type === sought.type;
      const isOfKey = key.limitKey !== null && key.limitKey === sought.limitKey;
      if (isOfType) counts.ofType += seqs.length;
      if (isOfKey) counts.ofKey += seqs.length;
      const certain =
        (older > 0 && isSure(key, !isPutOff, sought, this.#rules) ? older : 0) +
        (younger > 0 && isSure(key, false, sought, this.#rules) ? younger : 0);
      sure.all += certain;
      if (isOfType) sure.ofType += certain;
      if (isOfKey) sure.ofKey += certain;
    }
    return { ...counts, sure };
  }
}

/** Of seqs that rise, how many are below one. Mostly all are. */
function countBelow(seqs: readonly Seq[], seq: Seq): number {
  let low = 0;
  let high = seqs.length;
  for (let middle = high - 1; low < high; middle = (low + high) >> 1) {
    if ((seqs[middle] ?? seq) < seq) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Whether a task goes before another whatever happens to others: age may bring an older one before a more urgent, a turn
 * is begun anew with a shard's memory, and what is of another type or limitKey may yet be held back by that.
 */
function isSure(key: LaneKey, wasFirst: boolean, sought: Sought, rules: Foresight["rules"]): boolean {
  const { fair, ageStepMs, limits, knows } = rules;
  const isOlder = wasFirst && key.priority >= sought.priority;
  if (!isOlder && (ageStepMs !== null || key.priority <= sought.priority)) return false;
  if (fair !== null && key.priority === sought.priority && key.fairnessKey !== sought.fairnessKey) return false;
  if (key.mode === "solo") return false;
  const isOfType = key.type === sought.type && key.version === sought.version;
  // Whoever is thought to know any version is not known at all.
  if (!isOfType && knows(key.type, Number.POSITIVE_INFINITY)) return false;
  return limits !== null || (isOfType && key.limitKey === sought.limitKey);
}
