/**
 * What a shard would start next, found by starting it: the code that hands tasks out (pick, lanes, limits, fair) is run
 * forward on a copy, in which nothing ends and no time passes. Whoever asks in which order tasks will run, or how many go
 * before one, asks this; the order is written down nowhere else. Pure.
 */
import type { Band } from "./bands.ts";
import type { Lane, Lanes } from "./lanes.ts";
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
  priorityOf({ since, lane }: Started): number {
    return agedPriority(lane.key.priority, since, this.rules);
  }
}
