/** A move keeps its name for as long as it stands in the timeline, and what comes after it is found by that. */
import { describe, expect, it } from "vitest";
import { isMoveId, movesAfter, nameMoves } from "../../core/move-ids.ts";
import type { MoveRecord } from "../../core/task.ts";

const run = (attempt: number, at: number): MoveRecord => ["RUNNING", at, `attempt ${attempt}`, null, attempt];
const QUEUED: MoveRecord = ["QUEUED", 1_000, "submitted"];
const RETRYING: MoveRecord = ["RETRYING", 1_020, "handler-error", 1_030, 1];
const DUE: MoveRecord = ["QUEUED", 1_030, "its time had come"];
const WHOLE = [QUEUED, run(1, 1_010), RETRYING, DUE, run(2, 1_040)];
const idsOf = (moves: readonly MoveRecord[]) => nameMoves(moves).map(({ id }) => id);

describe("288 a move's id", () => {
  it("is the same as the timeline grows, whatever clock its run is told by in the end", () => {
    for (let length = 1; length < WHOLE.length; length++)
      expect(idsOf(WHOLE).slice(0, length)).toEqual(idsOf(WHOLE.slice(0, length)));
    expect(idsOf([QUEUED, run(1, 1_013), RETRYING])).toEqual(idsOf(WHOLE).slice(0, 3));
    expect(idsOf(WHOLE).every(isMoveId)).toBe(true);
  });

  it("tells moves of one millisecond apart", () => {
    const moves: MoveRecord[] = [QUEUED, ["SCHEDULED", 1_000, "changed", 9_000], ["QUEUED", 1_000, "changed"]];
    expect(new Set(idsOf(moves)).size).toBe(3);
  });

  it("is nothing else", () => {
    for (const text of ["", "end", "-0", "1000", "1000-", "A-0", "1-0r", "1-0 ", "zzzzzzzzzzz-0", "1-000"])
      expect([text, isMoveId(text)]).toEqual([text, false]);
  });
});

describe("288 what comes after a move", () => {
  const rest = (moves: readonly MoveRecord[], id: string | null) =>
    movesAfter(nameMoves(moves), id).map(({ move }) => move);

  it("is all of it for who has seen none, and nothing for who has seen the last", () => {
    const ids = [null, ...idsOf(WHOLE)];
    for (const [seen, id] of ids.entries()) expect(rest(WHOLE, id)).toEqual(WHOLE.slice(seen));
  });

  it("begins after the move before a run that was none, its claim having been lost", () => {
    const [, began] = idsOf([QUEUED, run(1, 1_010)]);
    const lost: MoveRecord[] = [QUEUED, ["QUEUED", 1_015, "the answer that handed it out was lost"], run(1, 1_016)];
    expect(rest(lost, began ?? "")).toEqual(lost.slice(1));
  });

  it("is what came later, where the move is not kept any more", () => {
    const moves = [QUEUED, ...Array.from({ length: 5 }, (_, n): MoveRecord => ["SCHEDULED", 2_000 + n, "x", 9_000])];
    const ids = idsOf(moves);
    expect(rest([QUEUED, ...moves.slice(4)], ids[2] ?? "")).toEqual(moves.slice(4));
    expect(rest([QUEUED], ids[2] ?? "")).toEqual([]);
  });
});
