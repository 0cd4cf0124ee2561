/** The oldest seqs of a lane, ascending, from `next` on: what a claim takes from without asking SQL. */
import type { Seq } from "./ids.ts";

/** What a window holds: one refill is one read of the covering index, about 30 µs. */
export const WINDOW = 128;

interface Windowed {
  window: Seq[];
  next: number;
}

/** One fewer. What has been taken is let go of now and then: a lane that is never empty would keep all of it. */
export function dropHead(lane: Windowed): void {
  lane.next++;
  if (lane.next < lane.window.length && lane.next < WINDOW) return;
  lane.window = lane.window.slice(lane.next);
  lane.next = 0;
}

export function forgetWindow(lane: Windowed & { edge: number }): void {
  lane.window = [];
  lane.next = 0;
  lane.edge = 0;
}

export function insertSorted(lane: Windowed, seq: Seq): void {
  lane.window.splice(positionOf(lane, seq), 0, seq);
}

/** Where a seq stands in the window, or would. */
export function positionOf(lane: Windowed, seq: Seq): number {
  let low = lane.next;
  let high = lane.window.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((lane.window[middle] ?? 0) < seq) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Whether nothing that is known of a lane was submitted to run at once. @param sinces of tasks that were put off */
export function isAllPutOff(lane: Readonly<Windowed>, sinces: ReadonlyMap<Seq, Seq>): boolean {
  for (let i = lane.next; i < lane.window.length; i++) if (!sinces.has(lane.window[i] as Seq)) return false;
  return true;
}

/** What the age of the longest due of a lane's next tasks counts from; those behind one that was not put off are younger. */
export function longestDue(lane: Readonly<Windowed>, sinces: ReadonlyMap<Seq, Seq>): number {
  let longest = Number.POSITIVE_INFINITY;
  const end = Math.min(lane.window.length, lane.next + WINDOW);
  for (let i = lane.next; i < end; i++) {
    const seq = lane.window[i] as Seq;
    const since = sinces.get(seq);
    if (since === undefined) return Math.min(longest, seq);
    longest = Math.min(longest, since);
  }
  return longest;
}
