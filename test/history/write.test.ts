import { beforeEach, describe, expect, test } from "vitest";
import { packBodies } from "../../history/outbox-body.ts";
import { readHistory } from "../../history/read.ts";
import type { HistoryRow } from "../../history/record.ts";
import { rowOfRecord } from "../../history/record.ts";
import { writeHistory } from "../../history/write.ts";
import { NodeD1 } from "../support/node/d1.ts";
import { HandClock } from "../support/node/hand-clock.ts";
import { AT, laden, refusedRow, rowFor, seqOf, T0 } from "../support/node/history-rows.ts";

let d1: NodeD1;
let clock: HandClock;
beforeEach(() => {
  d1 = new NodeD1();
  clock = new HandClock(T0);
});

const write = (rows: readonly HistoryRow[]) => writeHistory(d1, AT, packBodies(rows), clock);
const seqsWritten = () => d1.rows("SELECT seq FROM history ORDER BY seq").map(({ seq }) => seq);

describe("writing", () => {
  test("rows of several bodies go in as one statement, and each is read back as it was", async () => {
    const records = [rowFor(1), rowFor(2), rowOfRecord(laden(3), T0 + 1_000)];
    const bodies = records.flatMap((row) => packBodies([row]));
    expect(await writeHistory(d1, AT, bodies, clock)).toEqual({ ok: true, refused: [], left: [], rowsWritten: 3 });
    expect(d1.calls).toHaveLength(1);
    expect(d1.calls[0]).toHaveLength(1);
    const read = await readHistory(d1, AT, [seqOf(3), seqOf(1)], clock, { texts: true, ms: 1_000 });
    expect(read).toMatchObject({
      ok: true,
      tasks: [laden(3), { seq: seqOf(1), payload: '{"a":1}', result: '{"b":2}' }],
    });
  });

  test("164 the same again changes nothing; a newer revision replaces, an older one does not", async () => {
    await write([rowFor(1, { rev: 3 })]);
    expect(await write([rowFor(1, { rev: 3, result: '"other"' })])).toMatchObject({ ok: true, rowsWritten: 0 });
    await write([rowFor(1, { rev: 2, result: '"older"' })]);
    expect(d1.rows("SELECT rev, result FROM history")).toEqual([{ rev: 3, result: '{"b":2}' }]);
    await write([rowFor(1, { rev: 5, result: '"newer"' })]);
    expect(d1.rows("SELECT rev, result FROM history")).toEqual([{ rev: 5, result: '"newer"' }]);
  });

  test("164 two revisions of one task in one flush: the newer stays, whichever comes first", async () => {
    await write([rowFor(1, { rev: 4, result: '"newer"' }), rowFor(1, { rev: 3 }), rowFor(2), rowFor(2, { rev: 9 })]);
    expect(d1.rows("SELECT rev FROM history ORDER BY seq")).toEqual([{ rev: 4 }, { rev: 9 }]);
  });

  test("155 statements keep below 1 MiB of text and calls below 8 MiB, large tasks bind their texts apart", async () => {
    const text = JSON.stringify("é".repeat(20_000));
    const large = JSON.stringify('"'.repeat(400_000));
    const rows = Array.from({ length: 300 }, (_, n) => rowFor(n, { result: n % 10 === 0 ? large : text }));
    const seen: number[][] = [];
    d1.fault = (statements) => {
      seen.push(statements.map(({ values }) => values.reduce((sum: number, value) => sum + String(value).length, 0)));
    };
    expect(await write(rows)).toMatchObject({ ok: true, refused: [] });
    expect(d1.rows("SELECT count(*) AS n FROM history")).toEqual([{ n: 300 }]);
    expect(seen.length).toBeGreaterThan(1);
    for (const statements of seen) {
      expect(Math.max(...statements)).toBeLessThan(1.1 * 1024 * 1024);
      expect(statements.reduce((sum, bytes) => sum + bytes, 0)).toBeLessThan(8 * 1024 * 1024);
    }
  });

  test("155 100 results of 1 MiB of quotes arrive", async () => {
    const result = JSON.stringify('"'.repeat(524_000));
    expect(await write(Array.from({ length: 100 }, (_, n) => rowFor(n, { result })))).toMatchObject({
      ok: true,
      refused: [],
    });
    expect(d1.rows("SELECT count(*) AS n, min(length(result)) AS least FROM history")).toEqual([
      { n: 100, least: result.length },
    ]);
  });

  test("nothing to write is no call", async () => {
    expect(await write([])).toEqual({ ok: true, refused: [], left: [], rowsWritten: 0 });
    expect(d1.calls).toEqual([]);
  });

  test("a database without jsonb_each is written by json_each", async () => {
    d1.fault = (statements) => {
      if (statements.some(({ sql }) => sql.includes("jsonb_each")))
        throw new Error("D1_ERROR: no such table: jsonb_each");
    };
    const large = JSON.stringify("x".repeat(70_000));
    const rows = [rowFor(1), rowOfRecord(laden(2), T0 + 1_000), rowFor(3, { payload: large })];
    expect(await write(rows)).toMatchObject({ ok: true, rowsWritten: 3 });
    const read = await readHistory(d1, AT, [seqOf(2), seqOf(3)], clock, { texts: true, ms: 1_000 });
    expect(read).toMatchObject({ ok: true, tasks: [laden(2), { payload: large }] });
  });
});

describe("167 a row that D1 refuses", () => {
  test.each([
    [1, 1],
    [2, 2],
    [7, 4],
    [1_000, 1],
    [1_000, 500],
    [1_000, 1_000],
  ])("of %s is found at place %s, told with the reason, and all the others are written", async (count, place) => {
    const rows = Array.from({ length: count }, (_, i) => (i + 1 === place ? refusedRow(i + 1) : rowFor(i + 1)));
    const outcome = await write(rows);
    expect(outcome).toMatchObject({
      ok: true,
      refused: [{ seq: seqOf(place), reason: expect.stringContaining("CHECK") }],
    });
    expect(seqsWritten()).toEqual(rows.map(([seq]) => seq).filter((seq) => seq !== seqOf(place)));
  });

  test("several are found, in several bodies, large ones among them", async () => {
    const large = JSON.stringify("x".repeat(70_000));
    const rows = Array.from({ length: 200 }, (_, n) =>
      n % 67 === 3 ? refusedRow(n) : rowFor(n, n % 20 === 0 ? { payload: large } : {}),
    );
    const bodies = [packBodies(rows.slice(0, 90)), packBodies(rows.slice(90))].flat();
    const outcome = await writeHistory(d1, AT, bodies, clock);
    expect(outcome.ok && outcome.refused.map(({ seq }) => seq)).toEqual([seqOf(3), seqOf(70), seqOf(137)]);
    expect(seqsWritten()).toHaveLength(197);
  });

  test("one that is too large for D1 is refused by itself", async () => {
    const tooLarge = JSON.stringify("x".repeat(2_100_000));
    const outcome = await write([rowFor(1), rowFor(2, { result: tooLarge }), rowFor(3)]);
    expect(outcome).toMatchObject({
      ok: true,
      refused: [{ seq: seqOf(2), reason: expect.stringContaining("too big") }],
    });
    expect(seqsWritten()).toEqual([seqOf(1), seqOf(3)]);
  });

  test("where all are refused the search ends within an invocation's queries, and comes to all of them in the end", async () => {
    let rows: readonly HistoryRow[] = Array.from({ length: 2_000 }, (_, n) =>
      n === 1_999 ? rowFor(n) : refusedRow(n),
    );
    const refused = new Set<number>();
    while (rows.length > 0) {
      d1.calls.length = 0;
      const outcome = await write(rows);
      if (!outcome.ok) throw new Error(outcome.reason);
      expect(d1.calls.length).toBeLessThan(400);
      expect(outcome.refused.length).toBeGreaterThan(0);
      for (const { seq } of outcome.refused) refused.add(seq);
      const left = new Set(outcome.left);
      rows = rows.filter(([seq]) => left.has(seq));
    }
    expect(refused.size).toBe(1_999);
    expect(seqsWritten()).toEqual([seqOf(1_999)]);
  });

  test("an error of no known text is a row's where the database answers, and the database's where it does not", async () => {
    d1.fault = (statements) => {
      if (statements.some(({ values }) => values.some((value) => String(value).includes("odd"))))
        throw new Error("no idea");
    };
    const rows = [rowFor(1), rowFor(2, { payload: '"odd"' }), rowFor(3)];
    expect(await write(rows)).toMatchObject({ ok: true, refused: [{ seq: seqOf(2), reason: "no idea" }] });
    expect(seqsWritten()).toEqual([seqOf(1), seqOf(3)]);
    d1.fault = () => {
      throw new Error("no idea");
    };
    expect(await write(rows)).toEqual({ ok: false, reason: "no idea" });
  });
});

describe("165 a database that is not there", () => {
  test.each([
    "D1_ERROR: Network connection lost.",
    "D1_ERROR: D1 DB is overloaded. Requests queued for too long.",
    "D1_ERROR: D1 DB reset because its code was updated.",
    "D1_ERROR: Internal error in D1 DB storage caused object to be reset.",
    "D1_ERROR: no such table: history: SQLITE_ERROR",
    "D1_ERROR: Exceeded maximum DB size.",
    "D1_ERROR: database or disk is full: SQLITE_FULL",
  ])("%s: all is to be sent again, and nothing is called a row's fault", async (message) => {
    d1.fault = () => {
      throw new Error(message);
    };
    expect(await write([rowFor(1), rowFor(2)])).toEqual({ ok: false, reason: message });
    expect(d1.calls).toHaveLength(1);
    d1.fault = () => {};
    expect(await write([rowFor(1), rowFor(2)])).toMatchObject({ ok: true, rowsWritten: 2 });
  });

  test("one that hangs is given up in time, and what it answers later is dropped", async () => {
    const answer = Promise.withResolvers<void>();
    d1.fault = () => answer.promise;
    const outcome = write([rowFor(1)]);
    clock.advance(20_000);
    expect(await outcome).toMatchObject({ ok: false, reason: expect.stringContaining("did not answer") });
    answer.reject(new Error("D1_ERROR: late"));
    await answer.promise.catch(() => {});
    d1.fault = () => {};
    expect(await write([rowFor(1)])).toMatchObject({ ok: true, rowsWritten: 1 });
    expect(clock.pending).toBe(0);
  });

  test("one that goes away during the search is away: nothing is called refused", async () => {
    let calls = 0;
    d1.fault = () => {
      if (++calls > 3) throw new Error("D1_ERROR: Network connection lost.");
    };
    const rows = Array.from({ length: 100 }, (_, n) => (n === 60 ? refusedRow(n) : rowFor(n)));
    expect(await write(rows)).toMatchObject({ ok: false });
  });
});
