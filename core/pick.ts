/**
 * Which lane the next task comes from: the rule of order. Pure: what it may pick is what it is given, so pause, known
 * types, suspects and limits are filters over bands of lanes, and strict priority and FIFO are the comparison.
 */
import type { Band, Lane, Lanes } from "./lanes.ts";
import type { Limits } from "./limits.ts";

export interface PickRules {
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
export function runnableBands(lanes: Lanes, rules: PickRules): Band[] {
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
 * The best lane of them: highest priority, then oldest head. What was started since the bands were worked out may have
 * used up a type's room, or closed a key.
 * @param freeSlot whether the task would start at once; careful lanes ask for that, and those that a rate bounds
 */
export function pickLane(
  runnable: readonly Band[],
  freeSlot: boolean,
  lanes: Lanes,
  { limits, now }: Pick<PickRules, "limits" | "now">,
): Lane | null {
  let best: Lane | null = null;
  let bestHead = Number.POSITIVE_INFINITY;
  for (const band of runnable) {
    const lane = band.open.top;
    if (!lane || (!freeSlot && (band.mode === "careful" || limits?.isRated(band)))) continue;
    if (best && band.priority < best.key.priority) continue;
    if (limits !== null && limits.typeRoom(band.type, now) === 0) continue;
    const head = lanes.head(lane) ?? Number.POSITIVE_INFINITY;
    if (!best || band.priority > best.key.priority || head < bestHead) {
      best = lane;
      bestHead = head;
    }
  }
  return best;
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
  let count = 0;
  for (const { key, count: waiting } of band.open) {
    if (count >= most) break;
    count += key.limitKey === null ? waiting : Math.min(waiting, limits.keyRoom(key.limitKey, now));
  }
  return count;
}
