/**
 * What may go wrong, how often, and what a seed has of it. A seed has about a third of the kinds, each at a strength of
 * its own ("swarm testing"): a run with everything at once hides what only shows when the rest works.
 */
import { Random } from "./random.ts";
import type { Tally } from "./tally.ts";

/** Each kind with its chance a time (a call, a ticket, a commit, a step of chaos) at full strength. */
export const FAULTS = {
  "late-message": 0.1,
  "lost-request": 0.12,
  "lost-answer": 0.15,
  /** The answer to `open`: its session is nobody's until the lease ends. */
  "lost-opening": 0.15,
  "doubled-call": 0.08,
  "lost-ticket": 0.4,
  "doubled-ticket": 0.4,
  "late-ticket": 0.4,
  /** No consumer can redeem it, however often Cloudflare tries. */
  "hopeless-ticket": 0.1,
  "refused-send": 0.3,
  "slow-commit": 0.2,
  "crash-before-commit": 0.02,
  "crash-after-commit": 0.02,
  "storage-error": 0.004,
  "d1-hangs": 0.2,
  "d1-refuses": 0.3,
  "d1-answer-lost": 0.3,
  "d1-down": 0.02,
  "receiver-refuses": 0.4,
  "receiver-hangs": 0.2,
  "receiver-answer-lost": 0.3,
  /** A run of a workflow does not take the word of an end. */
  "silent-run": 0.3,
  "run-answer-lost": 0.3,
  /** A task that D1 does not take, whatever comes with it. */
  "d1-bad-row": 0.04,
  "clock-step": 0.012,
  eviction: 0.04,
  restart: 0.02,
  "runtime-crash": 0.01,
  /** A worker runs a task and never tells how it ended. */
  "mute-outcome": 0.05,
  "runtime-stall": 0.02,
  /** No call of anybody arrives for a while. */
  outage: 0.02,
  /** The local service stops (first told to, or not) and starts again; queues keep nothing. */
  reboot: 0.02,
} as const;

export type Fault = keyof typeof FAULTS;
export const FAULT_KINDS = Object.keys(FAULTS) as Fault[];

/** What makes a task run again, or end otherwise, than its script alone would have it. */
const DISTURBING: ReadonlySet<Fault> = new Set([
  "lost-opening",
  "storage-error",
  "clock-step",
  "runtime-crash",
  "mute-outcome",
  "runtime-stall",
  "outage",
  "reboot",
  "crash-after-commit",
]);

export class Faults {
  /** The end of a run: nothing goes wrong any more. */
  isCalm = false;
  /** Nothing in this run disturbs a task: it ends as its script says. */
  readonly isGentle: boolean;
  readonly #chances = new Map<Fault, { readonly chance: number; readonly random: Random }>();
  readonly #tally: Tally;

  /** @param without kinds that this run is not to have, though its seed does */
  constructor(seed: number, tally: Tally, without: ReadonlySet<Fault> = new Set()) {
    this.#tally = tally;
    this.isGentle = new Random(seed, "gentle").chance(0.25);
    for (const kind of FAULT_KINDS) {
      const random = new Random(seed, kind);
      const isChosen = random.chance(0.35);
      const strength = 0.2 + 0.8 * random.next();
      const isLeftOut = without.has(kind) || (this.isGentle && DISTURBING.has(kind));
      if (isChosen && !isLeftOut) this.#chances.set(kind, { chance: FAULTS[kind] * strength, random });
    }
  }

  get kinds(): Fault[] {
    return [...this.#chances.keys()];
  }

  /** Whether tasks run exactly as often as their scripts say. */
  get isOrderly(): boolean {
    return this.kinds.every((kind) => !DISTURBING.has(kind));
  }

  /** Whether it goes wrong this time. */
  strikes(kind: Fault): boolean {
    const fault = this.isCalm ? undefined : this.#chances.get(kind);
    if (!fault?.random.chance(fault.chance)) return false;
    this.#tally.count(kind);
    return true;
  }
}
