/** Counts in sentences: of one thing they speak of one. */
import { expect, it } from "vitest";
import { countOf } from "../../core/count-of.ts";
import { tellFull, tellNoFreeSlot } from "../../core/tell-reasons.ts";

it("276 counts agree with what they count", () => {
  expect([0, 1, 2].map((count) => countOf(count, "task"))).toEqual(["0 tasks", "1 task", "2 tasks"]);
  expect(countOf(1n, "entry", "entries")).toBe("1 entry");
  expect(tellNoFreeSlot(1, 1, 6).detail).toContain("1 of at most 1 worker is here");
  expect(tellFull({ of: "queue" }, { running: 1, limit: 1 }, 1).detail).toBe(
    "The queue may run 1 at once: 1 runs, and 1 more goes first.",
  );
});
