/**
 * What a shard would start next, found by starting it: the code that hands tasks out (pick, lanes, limits, fair) is run
 * forward on a copy, in which nothing ends and no time passes. Whoever asks in which order tasks will run, or how many go
 * before one, asks this; the order is written down nowhere else. Pure.
 */
import type { Seq } from "./ids.ts";
import type { Band, Lane, Lanes } from "./lanes.ts";
import { agedPriority, type PickRules, runnableBands, type Started, startNext } from "./pick.ts";

export interface ForesightOf {
  /** A copy: what is foreseen is taken from it. */
  readonly lanes: Lanes;
  /** Fairness and limits are copies as well. */
  readonly rules: Omit<PickRules, "paused" | "solo">;
  /** How many tasks that run alone may start: one, unless another does. */
  readonly soloRoom: number;
  /** Gives a lane of the copy its next window. */
  readonly refill: (lane: Lane) => void;
}

export class Foresight {
  readonly lanes: Lanes;
  readonly rules: ForesightOf["rules"];
  readonly #refill: ForesightOf["refill"];
  #runnable: readonly Band[];
  #soloRoom: number;

  constructor({ lanes, rules, soloRoom, refill }: ForesightOf) {
    this.lanes = lanes;
    this.rules = rules;
    this.#refill = refill;
    this.#soloRoom = soloRoom;
    const bandsOf = (solo: boolean) => runnableBands(lanes, { ...rules, paused: false, solo });
    this.#runnable = soloRoom > 0 ? [...bandsOf(false), ...bandsOf(true)] : bandsOf(false);
  }

  /** How many more that run alone may start. */
  get soloRoom(): number {
    return this.#soloRoom;
  }

  /** Starts the next task; null where nothing may start any more. */
  next(): Started | null {
    const started = startNext(this.#runnable, true, this.lanes, this.rules, this.#refill);
    if (started?.lane.key.mode === "solo" && --this.#soloRoom <= 0)
      this.#runnable = this.#runnable.filter(({ mode }) => mode !== "solo");
    return started;
  }

  /** A task's priority as the order has it now. */
  priorityOf({ seq, lane }: Started): number {
    return agedPriority(lane.key.priority, seq, this.rules);
  }
}

/** How many tasks go before one, and why they do. */
export interface Ahead {
  readonly count: number;
  /** There are more; counting ended at `count`. */
  readonly more: boolean;
  /** Of a higher priority. */
  readonly moreUrgent: number;
  /** Of a lower priority, which their age has raised above. */
  readonly raised: number;
  /** Of the same priority, and older. */
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
}

/** How many tasks are started before one is sure to be far behind. A look takes some 10 ms by then. */
export const MOST_AHEAD = 10_000;

/** What starts before a task; null where it does not come to start at all, as its limits stand. */
export function countAhead(foresight: Foresight, sought: Sought, most = MOST_AHEAD): Ahead | null {
  const { rules } = foresight;
  const own = agedPriority(sought.priority, sought.seq, rules);
  const counts = { moreUrgent: 0, raised: 0, older: 0, byTurn: 0, ofType: 0, ofKey: 0 };
  const sure = { all: 0, ofType: 0, ofKey: 0 };
  for (let count = 0; ; count++) {
    const next = foresight.next();
    if (next?.seq === sought.seq) return { count, more: false, ...counts, sure };
    if (next === null) return null;
    if (count >= most) return { count, more: true, ...counts, sure };
    const { key } = next.lane;
    if (foresight.priorityOf(next) > own) counts[key.priority > sought.priority ? "moreUrgent" : "raised"]++;
    else counts[next.seq < sought.seq ? "older" : "byTurn"]++;
    const isOfType = key.type === sought.type;
    const isOfKey = key.limitKey !== null && key.limitKey === sought.limitKey;
    if (isOfType) counts.ofType++;
    if (isOfKey) counts.ofKey++;
    if (!isSure(next, sought, rules)) continue;
    sure.all++;
    if (isOfType) sure.ofType++;
    if (isOfKey) sure.ofKey++;
  }
}

/**
 * Whether a task goes before another whatever happens to others: age may bring an older one before a more urgent, a turn
 * is begun anew with a shard's memory, and what is of another type or limitKey may yet be held back by that.
 */
function isSure({ seq, lane: { key } }: Started, sought: Sought, rules: Foresight["rules"]): boolean {
  const { fair, ageStepMs, limits, knows } = rules;
  const isOlder = seq < sought.seq && key.priority >= sought.priority;
  if (!isOlder && (ageStepMs !== null || key.priority <= sought.priority)) return false;
  if (fair !== null && key.priority === sought.priority && key.fairnessKey !== sought.fairnessKey) return false;
  if (key.mode === "solo") return false;
  const isOfType = key.type === sought.type && key.version === sought.version;
  // Whoever is thought to know any version is not known at all.
  if (!isOfType && knows(key.type, Number.POSITIVE_INFINITY)) return false;
  return limits !== null || (isOfType && key.limitKey === sought.limitKey);
}
