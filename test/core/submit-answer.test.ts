import { describe, expect, it } from "vitest";
import type { Seq } from "../../core/ids.ts";
import { isCallersKey } from "../../core/keys.ts";
import { type Accepted, acceptedTasks, restoreAnswer, storeAnswer } from "../../core/submit-answer.ts";

const NOW = 1_000;
const answer = (more: Partial<Accepted>): Accepted => ({
  v: 1,
  ok: true,
  createdAt: NOW,
  seqs: [],
  duplicates: [],
  refused: [],
  ...more,
});
const seqs = (...numbers: (number | null)[]) => numbers as (Seq | null)[];

describe("an answer that is kept", () => {
  it("202 tells of each task what it told the first time, whatever the tasks look like by then", () => {
    const first = answer({
      seqs: seqs(10, 11, 12, null, 13, 3, 3, 14, 4, 5),
      duplicates: [5, 6, 8, 9],
      known: [
        { index: 5, status: null, createdAt: 7 },
        { index: 6, status: "RUNNING", createdAt: 7 },
        { index: 8, status: "QUEUED", createdAt: 7, replaced: true },
        { index: 9, status: "QUEUED", createdAt: 7, replaced: true },
      ],
      refused: [{ index: 3, code: "queue-full", detail: "full" }],
    });
    const tasks = [null, NOW + 1, NOW, null, null, null, null, null, null, null].map((runAt) => ({ runAt }));
    const told = acceptedTasks(tasks, first);
    expect(told.map((task) => task?.status)).toEqual([
      "QUEUED",
      "SCHEDULED",
      "QUEUED",
      undefined,
      "QUEUED",
      null,
      "RUNNING",
      "QUEUED",
      "QUEUED",
      "QUEUED",
    ]);
    expect(told.map((task) => task?.replaced)).toEqual([...Array(8).fill(undefined), true, true]);
    const again = restoreAnswer(storeAnswer(tasks, first));
    expect(again).toMatchObject({ replayed: true, createdAt: NOW, seqs: first.seqs, duplicates: [5, 6, 8, 9] });
    expect(again.refused).toEqual(first.refused);
    expect(acceptedTasks([], again)).toEqual(told);
  });

  it("of 10,000 tasks of one batch is a line", () => {
    const tasks = Array.from({ length: 10_000 }, () => ({ runAt: null }));
    const first = answer({ seqs: tasks.map((_, i) => (129_000_000_000_000 + i) as Seq) });
    const text = storeAnswer(tasks, first);
    expect(text.length).toBeLessThan(120);
    expect(restoreAnswer(text).seqs).toEqual(first.seqs);
  });
});

describe("201 an Idempotency-Key", () => {
  it.each(["a", "8e03978e-40d5-43dd-bc93-6894a57f9324", '"quoted"', "!~", "x".repeat(255)])("may be %s", (key) => {
    expect(isCallersKey(key)).toBe(true);
  });
  it.each(["", "a b", "ü", "\u007f", "a\n", "x".repeat(256)])("may not be %j", (key) => {
    expect(isCallersKey(key)).toBe(false);
  });
});
