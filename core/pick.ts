/**
 * Which lane the next task comes from: the rule of order. Pure: what it may pick is what it is given, so pause, known
 * types, suspects and (issue 2) limits are filters, and strict priority and FIFO are the comparison.
 */
import type { Lane } from "./lanes.ts";

export interface PickRules {
  readonly paused: boolean;
  /** Whether the worker can run tasks of that type and version. */
  readonly knows: (type: string, version: number) => boolean;
  /** A session that runs suspects alone takes nothing else, and no other takes them. */
  readonly solo: boolean;
}

/** The lanes that a session may be served from at all; worked out once a claim. */
export function runnableLanes(lanes: Iterable<Lane>, rules: PickRules): Lane[] {
  const runnable: Lane[] = [];
  if (rules.paused) return runnable;
  for (const lane of lanes) {
    if (lane.count === 0) continue;
    if ((lane.key.mode === "solo") !== rules.solo) continue;
    if (rules.knows(lane.key.type, lane.key.version)) runnable.push(lane);
  }
  return runnable;
}

/**
 * The best of them: highest priority, then oldest head.
 * @param freeSlot whether the task would start at once; careful lanes ask for that
 * @param headOf the oldest waiting seq of a lane
 */
export function pickLane(
  runnable: readonly Lane[],
  freeSlot: boolean,
  headOf: (lane: Lane) => number | undefined,
): Lane | null {
  let best: Lane | null = null;
  let bestHead = Number.POSITIVE_INFINITY;
  for (const lane of runnable) {
    if (lane.count === 0 || (lane.key.mode === "careful" && !freeSlot)) continue;
    if (best && lane.key.priority < best.key.priority) continue;
    const head = headOf(lane) ?? Number.POSITIVE_INFINITY;
    if (!best || lane.key.priority > best.key.priority || head < bestHead) {
      best = lane;
      bestHead = head;
    }
  }
  return best;
}
