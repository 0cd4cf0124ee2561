/**
 * A lane holds the QUEUED tasks of a shard that are interchangeable: the oldest goes first. Lanes let one index,
 * `(lane, seq)`, serve priority, order, type filters and pauses, and what may not run costs a claim nothing: with one
 * index over all tasks, 100,000 blocked heads cost 7 ms and 100,000 rows a claim.
 * Memory holds each lane's count and a window of its oldest seqs. Must stay true: every queued seq at or below `edge`
 * stands in the window, so a claim only asks SQL when the window has run out.
 */
import type { Seq } from "./ids.ts";

/** careful: was handed out and lost before it began, so next only into a free slot. solo: runs alone (suspect). */
export const LANE_MODES = ["normal", "careful", "solo"] as const;
export type LaneMode = (typeof LANE_MODES)[number];

export interface LaneKey {
  readonly priority: number;
  readonly type: string;
  readonly version: number;
  readonly limitKey: string | null;
  readonly fairnessKey: string | null;
  readonly mode: LaneMode;
}

export interface Lane {
  readonly no: number;
  readonly key: LaneKey;
  count: number;
  /** The oldest queued seqs, ascending, from `next` on. */
  window: Seq[];
  next: number;
  edge: number;
}

/** What a window holds: one refill is one read of the covering index, about 30 µs. */
export const WINDOW = 128;
export const MAX_LANES = 10_000;

export function laneText(key: LaneKey): string {
  return JSON.stringify([key.priority, key.type, key.version, key.limitKey, key.fairnessKey, key.mode]);
}

export class Lanes {
  readonly #byNo = new Map<number, Lane>();
  readonly #byText = new Map<string, Lane>();
  #queued = 0;
  #solo = 0;

  /** Tasks QUEUED, suspects included. */
  get queued(): number {
    return this.#queued;
  }
  /** Of those: tasks that may only run alone. */
  get solo(): number {
    return this.#solo;
  }
  get size(): number {
    return this.#byNo.size;
  }
  all(): IterableIterator<Lane> {
    return this.#byNo.values();
  }
  find(key: LaneKey): Lane | undefined {
    return this.#byText.get(laneText(key));
  }
  get(no: number): Lane | undefined {
    return this.#byNo.get(no);
  }

  /** @param head the oldest of its `count` queued tasks, as the index tells it at a start */
  add(no: number, key: LaneKey, count = 0, head?: Seq): Lane {
    const window = head === undefined ? [] : [head];
    const lane: Lane = { no, key, count, window, next: 0, edge: head ?? 0 };
    this.#byNo.set(no, lane);
    this.#byText.set(laneText(key), lane);
    this.#tally(lane, count);
    return lane;
  }

  remove(lane: Lane): void {
    this.#byNo.delete(lane.no);
    this.#byText.delete(laneText(lane.key));
  }

  /** The oldest waiting seq; undefined where the lane is empty (or its window has run out: see `isShort`). */
  head(lane: Lane): Seq | undefined {
    return lane.window[lane.next];
  }

  enqueue(lane: Lane, seq: Seq): void {
    const known = lane.window.length - lane.next;
    if (seq <= lane.edge) insertSorted(lane, seq);
    else if (known === lane.count && known < WINDOW) {
      lane.window.push(seq);
      lane.edge = seq;
    }
    lane.count++;
    this.#tally(lane, 1);
  }

  /** `count` tasks whose seqs follow each other from `first`, all younger than whatever the lane holds. */
  enqueueRun(lane: Lane, first: Seq, count: number): void {
    const known = lane.window.length - lane.next;
    if (known === lane.count) {
      const room = Math.min(count, WINDOW - known);
      for (let i = 0; i < room; i++) lane.window.push((first + i) as Seq);
      if (room > 0) lane.edge = first + room - 1;
    }
    lane.count += count;
    this.#tally(lane, count);
  }

  /** Takes the head. The caller refills the lane where it `isShort` then. */
  take(lane: Lane): Seq {
    const seq = lane.window[lane.next];
    if (seq === undefined) throw new Error(`lane ${lane.no} has no head`);
    lane.next++;
    if (lane.next === lane.window.length) {
      lane.window = [];
      lane.next = 0;
    }
    lane.count--;
    this.#tally(lane, -1);
    return seq;
  }

  isShort(lane: Lane): boolean {
    return lane.count > 0 && lane.next === lane.window.length;
  }

  /** @param seqs the lane's oldest queued seqs above `edge`, ascending, at most WINDOW */
  refill(lane: Lane, seqs: Seq[]): void {
    lane.window = seqs;
    lane.next = 0;
    lane.edge = seqs.at(-1) ?? lane.edge;
    if (seqs.length === 0) throw new Error(`lane ${lane.no} counts ${lane.count} tasks, but SQL has none`);
  }

  #tally(lane: Lane, change: number): void {
    this.#queued += change;
    if (lane.key.mode === "solo") this.#solo += change;
  }
}

function insertSorted(lane: Lane, seq: Seq): void {
  let low = lane.next;
  let high = lane.window.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((lane.window[middle] ?? 0) < seq) low = middle + 1;
    else high = middle;
  }
  lane.window.splice(low, 0, seq);
}
