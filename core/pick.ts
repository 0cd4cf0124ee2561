/**
 * Which lane the next task comes from: the rule of order. Pure: what it may pick is what it is given, so pause, known
 * types, suspects and limits are filters over bands of lanes, and strict priority and FIFO are the comparison.
 */

import { type Band, isBefore } from "./bands.ts";
import type { Fair } from "./fair.ts";
import { type Seq, seqAt, seqTime } from "./ids.ts";
import type { Lane, Lanes } from "./lanes.ts";
import type { Limits } from "./limits.ts";
import { MAX_PRIORITY } from "./schema/submission.ts";

/** What of the order is a queue's choice. */
export interface OrderRules {
  /** null: within a priority the oldest goes first. */
  readonly fair: Fair | null;
  /** A waiting task gains a priority each so many ms, up to the highest; null: none. */
  readonly ageStepMs: number | null;
}

export interface PickRules extends OrderRules {
  readonly paused: boolean;
  /** Whether the worker can run tasks of that type and version. */
  readonly knows: (type: string, version: number) => boolean;
  /** A session that runs suspects alone takes nothing else, and no other takes them. */
  readonly solo: boolean;
  /** What may run and start; null: as many as come. */
  readonly limits: Limits | null;
  /** Unix ms. */
  readonly now: number;
}

/** The bands that a session may be served from now; worked out once a claim. */
export function runnableBands(lanes: Lanes, rules: Omit<PickRules, keyof OrderRules>): Band[] {
  const runnable: Band[] = [];
  if (rules.paused) return runnable;
  for (const band of lanes.bands()) {
    if (band.open.size === 0) continue;
    if ((band.mode === "solo") !== rules.solo) continue;
    if (rules.limits?.typeRoom(band.type, rules.now) === 0) continue;
    if (rules.knows(band.type, band.version)) runnable.push(band);
  }
  return runnable;
}

/**
 * The best lane of them: highest priority, where the queue ages with what the age of its longest due brings; then, where
 * it is fair, least virtual time of its fairnessKey; then oldest head (where it ages: longest due). What was started since the bands were worked out may have used
 * up a type's room, or closed a key.
 * @param freeSlot whether the task would start at once; careful lanes ask for that, and those that a rate bounds
 */
export function pickLane(
  runnable: readonly Band[],
  freeSlot: boolean,
  lanes: Lanes,
  rules: Omit<PickRules, "paused" | "knows" | "solo">,
): Lane | null {
  const { limits, now } = rules;
  let best: Lane | null = null;
  let bestPriority = 0;
  for (const band of runnable) {
    const lane = rules.fair === null ? band.open.top : topByTurn(band, lanes, rules.fair);
    if (!lane || (!freeSlot && (band.mode === "careful" || limits?.isRated(band)))) continue;
    if (limits !== null && limits.typeRoom(band.type, now) === 0) continue;
    const priority = agedPriority(band.priority, lane.since, rules);
    if (best !== null && (priority < bestPriority || (priority === bestPriority && !isBefore(lane, best)))) continue;
    best = lane;
    bestPriority = priority;
  }
  return best;
}

export interface Started {
  readonly seq: Seq;
  readonly lane: Lane;
  /** What its lane's age counted from. */
  readonly since: number;
  /** It was put off, and the queue ages. */
  readonly isPutOff: boolean;
}

/**
 * Takes the best task of them out of its lane, as started; null where none may start. Claims go by it, and so does
 * whoever looks ahead on a copy (core/foresee.ts).
 * @param refill gives a lane that `isShort` now its next window
 */
export function startNext(
  runnable: readonly Band[],
  freeSlot: boolean,
  lanes: Lanes,
  rules: Omit<PickRules, "paused" | "knows" | "solo">,
  refill: (lane: Lane) => void,
): Started | null {
  const lane = pickLane(runnable, freeSlot, lanes, rules);
  if (!lane) return null;
  const { since } = lane;
  const head = lanes.head(lane);
  const isPutOff = head !== undefined && lanes.sinceOf(head) !== head;
  const seq = lanes.take(lane);
  if (lanes.isShort(lane)) refill(lane);
  rules.limits?.started(lane.key, rules.now);
  rules.fair?.started(lane.key);
  return { seq, lane, since, isPutOff };
}

/** A lane's turn is looked up when it is on top: virtual times only rise, so none below could be before it. */
function topByTurn(band: Band, lanes: Lanes, fair: Fair): Lane | undefined {
  for (;;) {
    const lane = band.open.top;
    if (lane === undefined) return undefined;
    const turn = fair.timeOf(lane.key);
    if (lane.turn >= turn) return lane;
    lanes.setTurn(lane, turn);
  }
}

/** What a task's age counts from, as the seq of that moment: its submission, or where it was put off, when it was due. */
export function sinceOf(seq: Seq, runAt: number | null): Seq {
  return runAt === null ? seq : (Math.max(seq, seqAt(runAt)) as Seq);
}

/**
 * A priority as age raises it. At the highest the longest due goes first, so what is submitted later never starts before
 * one that has been due for `(9 - priority) * ageStepMs`.
 * @param since as {@link sinceOf} has it
 */
export function agedPriority(
  priority: number,
  since: number,
  { ageStepMs, now }: Pick<PickRules, "ageStepMs" | "now">,
): number {
  if (ageStepMs === null) return priority;
  return Math.min(MAX_PRIORITY, priority + Math.floor(Math.max(0, now - seqTime(since as Seq)) / ageStepMs));
}

/**
 * How many tasks of some bands could start now, as far as it matters: counting ends at `most`. Zero only where nothing
 * could; beyond that it may be more than limits let, where lanes share a key.
 */
export function countRunnable(
  bands: readonly Band[],
  { limits, now }: Pick<PickRules, "limits" | "now">,
  most: number,
): number {
  let count = 0;
  const typeRooms = new Map<string, number>();
  for (const band of bands) {
    if (count >= most) break;
    if (limits === null) count += band.count;
    else {
      const room = typeRooms.get(band.type) ?? limits.typeRoom(band.type, now);
      const ready = Math.min(room, countOpen(band, limits, now, most));
      typeRooms.set(band.type, room - ready);
      count += ready;
    }
  }
  return Math.min(count, most);
}

function countOpen(band: Band, limits: Limits, now: number, most: number): number {
  if (!band.isKeyed) return band.count;
  // Of each open key one at least may start.
  if (band.open.size >= most) return most;
  let count = 0;
  for (const { key, count: waiting } of band.open) {
    if (count >= most) break;
    count += key.limitKey === null ? waiting : Math.min(waiting, limits.keyRoom(key.limitKey, now));
  }
  return count;
}
