/** Lanes that differ by their keys alone, and which of them is next: a claim looks at bands, a handful, never at all lanes. */
import { Heap } from "./heap.ts";
import type { Lane, LaneKey, LaneMode } from "./lanes.ts";

/** Lanes that differ by their keys alone: the same sessions may be served from all of them. */
export interface Band {
  readonly priority: number;
  readonly type: string;
  readonly version: number;
  readonly mode: LaneMode;
  /** Whether its tasks have a limitKey. */
  readonly isKeyed: boolean;
  /** Tasks QUEUED in it, those of closed keys included. */
  count: number;
  /** Its lanes, empty ones included. */
  size: number;
  /** Lanes with tasks that may run, the one that is next on top: least `turn`, then the one that is longest due. */
  readonly open: Heap<Lane>;
}

export function bandText({ priority, type, version, mode, limitKey }: LaneKey): string {
  return `${priority} ${version} ${mode} ${limitKey !== null} ${type}`;
}

export function makeBand(
  { priority, type, version, mode }: Pick<Band, "priority" | "type" | "version" | "mode">,
  isKeyed: boolean,
): Band {
  return { priority, type, version, mode, isKeyed, count: 0, size: 0, open: new Heap<Lane>(isBefore) };
}

/** Whether a lane goes before another of the same priority. */
export function isBefore(a: Lane, b: Lane): boolean {
  if (a.turn !== b.turn) return a.turn < b.turn;
  return a.since < b.since || (a.since === b.since && headOf(a) < headOf(b));
}

export function headOf(lane: Lane): number {
  return lane.window[lane.next] ?? Number.POSITIVE_INFINITY;
}
