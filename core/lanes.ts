/**
 * A lane holds the QUEUED tasks of a shard that are interchangeable: the oldest goes first. Lanes let one index,
 * `(lane, seq)`, serve priority, order, type filters, limits and pauses, and what may not run costs a claim nothing:
 * with one index over all tasks, 100,000 blocked heads cost 7 ms and 100,000 rows a claim.
 * Memory holds each lane's count and a window of its oldest seqs. Must stay true: every queued seq at or below `edge`
 * stands in the window, so a claim only asks SQL when the window has run out; and a band's heap holds exactly its lanes
 * with tasks whose limitKey is open, so a claim looks at bands (a handful) and never at all lanes (up to 10,000).
 */
import { type Band, bandText, headOf, makeBand } from "./bands.ts";
import type { Seq } from "./ids.ts";
import { dropHead, forgetWindow, insertSorted, isAllPutOff, longestDue, positionOf, WINDOW } from "./lane-window.ts";

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
  readonly band: Band;
  /** Its place in the band's heap. */
  at: number;
  /** Where the queue is fair, its key's virtual time as last looked up: never more than that is now. Else 0. */
  turn: number;
  /** Its head; or what of its next tasks has been due for longest, where some were put off and the queue ages. */
  since: number;
  count: number;
  /** The oldest queued seqs, ascending, from `next` on. */
  window: Seq[];
  next: number;
  edge: number;
}

export const MAX_LANES = 10_000;

/** Whether callers make as many of them as they like: lanes without keys are as many as types and priorities are. */
export function isKeyed({ limitKey, fairnessKey }: Pick<LaneKey, "limitKey" | "fairnessKey">): boolean {
  return limitKey !== null || fairnessKey !== null;
}

export function laneText(key: LaneKey): string {
  return JSON.stringify([key.priority, key.type, key.version, key.limitKey, key.fairnessKey, key.mode]);
}

export class Lanes {
  readonly #byNo = new Map<number, Lane>();
  readonly #byText = new Map<string, Lane>();
  readonly #bands = new Map<string, Band>();
  readonly #byLimitKey = new Map<string, Set<Lane>>();
  readonly #closed = new Set<string>();
  readonly #empty = new Set<Lane>();
  /** Where the queue ages: of the tasks in windows that were put off, what their age counts from. Else nobody's. */
  readonly #sinces = new Map<Seq, Seq>();
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
  /** Those that nothing waits in. */
  get empty(): ReadonlySet<Lane> {
    return this.#empty;
  }
  all(): IterableIterator<Lane> {
    return this.#byNo.values();
  }
  bands(): IterableIterator<Band> {
    return this.#bands.values();
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
    const edge = head ?? 0;
    const lane: Lane = { no, key, band: this.#bandFor(key), at: -1, turn: 0, since: 0, count, window, next: 0, edge };
    this.#admit(lane, laneText(key));
    return lane;
  }

  /** Of an empty lane. */
  remove(lane: Lane): void {
    const { band, key } = lane;
    this.#byNo.delete(lane.no);
    this.#byText.delete(laneText(key));
    this.#empty.delete(lane);
    if (--band.size === 0) this.#bands.delete(bandText(key));
    if (key.limitKey === null) return;
    const lanes = this.#byLimitKey.get(key.limitKey);
    lanes?.delete(lane);
    if (lanes?.size === 0) this.#byLimitKey.delete(key.limitKey);
  }

  /**
   * Those that hold tasks, apart from these: what is taken from the one is not from the other. Every limitKey is open in
   * it. No text is made for a lane or a band: of 10,000 lanes they took most of the time.
   * @param most seqs of each window that are copied; a lane that holds more is refilled as usual
   * @param limitKey no other lanes are looked at than those of that key; null: all are
   */
  copy(most: number, isWanted: (key: LaneKey) => boolean, limitKey: string | null = null): Lanes {
    const copy = new Lanes();
    for (const [seq, since] of this.#sinces) copy.#sinces.set(seq, since);
    const bands = new Map<Band, Band>();
    for (const [text, band] of this.#bands) {
      const own = makeBand(band, band.isKeyed);
      bands.set(band, own);
      copy.#bands.set(text, own);
    }
    for (const [text, from] of limitKey === null ? this.#byText : this.#ofKey(limitKey)) {
      const { key, band, count, window, next, edge } = from;
      const own = bands.get(band);
      if (count === 0 || own === undefined || !isWanted(key)) continue;
      const seqs = window.slice(next, this.#sinces.size > 0 ? undefined : next + most);
      const lane = { ...from, band: own, at: -1, window: seqs, next: 0, edge: seqs.at(-1) ?? edge };
      copy.#admit(lane, text);
    }
    return copy;
  }

  #ofKey(limitKey: string): [text: string, lane: Lane][] {
    return Array.from(this.#byLimitKey.get(limitKey) ?? [], (lane) => [laneText(lane.key), lane]);
  }

  #admit(lane: Lane, text: string): void {
    const { no, key, band, count } = lane;
    this.#byNo.set(no, lane);
    this.#byText.set(text, lane);
    band.size++;
    if (key.limitKey !== null) {
      const lanes = this.#byLimitKey.get(key.limitKey);
      if (lanes) lanes.add(lane);
      else this.#byLimitKey.set(key.limitKey, new Set([lane]));
    }
    this.#tally(lane, count);
  }

  isClosed(limitKey: string): boolean {
    return this.#closed.has(limitKey);
  }

  /** Nothing of that limitKey may run until it is opened again: its lanes are looked at by nobody. */
  close(limitKey: string): void {
    this.#closed.add(limitKey);
    for (const lane of this.#byLimitKey.get(limitKey) ?? []) lane.band.open.delete(lane);
  }

  open(limitKey: string): void {
    this.#closed.delete(limitKey);
    for (const lane of this.#byLimitKey.get(limitKey) ?? []) this.#place(lane);
  }

  openAll(): void {
    for (const limitKey of [...this.#closed]) this.open(limitKey);
  }

  /** Gives a lane another turn among its band's. */
  setTurn(lane: Lane, turn: number): void {
    lane.turn = turn;
    this.#place(lane);
  }

  /** The oldest waiting seq; undefined where the lane is empty (or its window has run out: see `isShort`). */
  head(lane: Lane): Seq | undefined {
    return lane.window[lane.next];
  }

  /** What a waiting task's age counts from, as the seq of that moment. */
  sinceOf(seq: Seq): Seq {
    return this.#sinces.get(seq) ?? seq;
  }

  /** @param since what its age counts from: its submission, unless the queue ages and it was put off */
  enqueue(lane: Lane, seq: Seq, since = seq): void {
    const known = lane.window.length - lane.next;
    const isYoungest = seq > lane.edge;
    if (!isYoungest || (known === lane.count && known < WINDOW)) {
      if (since !== seq) this.#sinces.set(seq, since);
      insertSorted(lane, seq);
      if (isYoungest) lane.edge = seq;
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
    this.#sinces.delete(seq);
    dropHead(lane);
    lane.count--;
    this.#tally(lane, -1);
    return seq;
  }

  /** Takes one that waits anywhere in the lane. The caller refills the lane where it `isShort` then. */
  withdraw(lane: Lane, seq: Seq): void {
    if (seq <= lane.edge) {
      const at = positionOf(lane, seq);
      if (lane.window[at] !== seq) throw new Error(`task ${seq} does not wait in lane ${lane.no}`);
      lane.window.splice(at, 1);
      this.#sinces.delete(seq);
    }
    lane.count--;
    this.#tally(lane, -1);
  }

  /** There is more than is known, and of that nothing; or nothing that says how long those beyond can have been due. */
  isShort(lane: Lane): boolean {
    const known = lane.window.length - lane.next;
    if (known === lane.count || known >= WINDOW) return false;
    return known === 0 || (this.#sinces.size > 0 && isAllPutOff(lane, this.#sinces));
  }

  /**
   * @param seqs the lane's oldest queued seqs above `edge`, ascending, at most WINDOW
   * @param sinces where the queue ages: what the age of those counts from that were put off
   */
  refill(lane: Lane, seqs: readonly Seq[], sinces?: ReadonlyMap<Seq, Seq>): void {
    lane.window = [...lane.window.slice(lane.next), ...seqs];
    lane.next = 0;
    lane.edge = seqs.at(-1) ?? lane.edge;
    for (const [seq, since] of sinces ?? []) this.#sinces.set(seq, since);
    if (seqs.length === 0) throw new Error(`lane ${lane.no} counts ${lane.count} tasks, but SQL has none`);
    this.#place(lane);
  }

  /** The queue ages now, or no longer: what is known of its windows is read anew. @param read refills a lane */
  rereadAll(read: (lane: Lane) => void): void {
    this.#sinces.clear();
    for (const lane of this.#byNo.values()) {
      forgetWindow(lane);
      if (lane.count > 0) read(lane);
    }
  }

  /** After each change of a lane's count. */
  #tally(lane: Lane, change: number): void {
    this.#queued += change;
    lane.band.count += change;
    if (lane.key.mode === "solo") this.#solo += change;
    if (lane.count === 0) this.#empty.add(lane);
    else if (lane.count === change) this.#empty.delete(lane);
    this.#place(lane);
  }

  /** Where it stands among its band's lanes now; one that is short has its place when it is refilled. */
  #place(lane: Lane): void {
    const { limitKey } = lane.key;
    if (lane.count === 0 || (limitKey !== null && this.#closed.has(limitKey))) lane.band.open.delete(lane);
    else if (!this.isShort(lane)) {
      lane.since = this.#sinces.size === 0 ? headOf(lane) : longestDue(lane, this.#sinces);
      lane.band.open.put(lane);
    }
  }

  #bandFor(key: LaneKey): Band {
    const text = bandText(key);
    const found = this.#bands.get(text);
    if (found) return found;
    const band = makeBand(key, key.limitKey !== null);
    this.#bands.set(text, band);
    return band;
  }
}
