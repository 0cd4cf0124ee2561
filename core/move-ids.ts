/**
 * Names for the moves of a timeline, so that a stream of them goes on where it was left: over restarts, and when the task
 * has gone from its shard to history. Made of what never changes about a move. A run's begin is told by two clocks (its
 * shard's while it runs, its worker's afterwards), and one whose claim was lost is none any more: so it is named after
 * the move before it. Pure.
 */
import type { MoveRecord } from "./task.ts";
import { isBegin } from "./timeline.ts";

export interface NamedMove {
  readonly id: string;
  readonly move: MoveRecord;
}

/** `{time}-{which of that time}`, of a run's begin with `r{attempt}` after it. */
const MOVE_ID = /^([0-9a-z]{1,10})-(\d{1,2})(?:r\d{1,9})?$/;

export function isMoveId(text: string): boolean {
  return MOVE_ID.test(text);
}

/** @param moves of one timeline, in order */
export function nameMoves(moves: readonly MoveRecord[]): NamedMove[] {
  const times = new Map<number, number>();
  let before = "0-0";
  return moves.map((move) => {
    const [, at, , , attempt = 0] = move;
    if (isBegin(move)) return { id: `${before}r${attempt}`, move };
    const which = times.get(at) ?? 0;
    times.set(at, which + 1);
    before = `${at.toString(36)}-${which}`;
    return { id: before, move };
  });
}

/** Those after the one of that id. Where it is not kept any more, those that came later than it. */
export function movesAfter(named: readonly NamedMove[], id: string | null): readonly NamedMove[] {
  if (id === null) return named;
  const [, time = "0"] = MOVE_ID.exec(id) ?? [];
  const at = Number.parseInt(time, 36);
  const isLater = ({ move }: NamedMove) => !isBegin(move) && move[1] > at;
  const known = [id, id.replace(/r\d+$/, "")]
    .map((wanted) => named.findLastIndex((one) => one.id === wanted))
    .find((index) => index >= 0);
  if (known !== undefined) return named.slice(known + 1);
  const later = named.findIndex(isLater);
  return later < 0 ? [] : named.slice(later);
}
