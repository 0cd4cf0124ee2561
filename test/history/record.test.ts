import { describe, expect, test } from "vitest";
import { LARGE_ROW_BYTES, MAX_BOUND_BYTES, utf8Bytes } from "../../core/bytes.ts";
import { type QueueName, taskId } from "../../core/ids.ts";
import { packBodies, unpackBody } from "../../history/outbox-body.ts";
import { type HistoryRow, recordOfRow, rowOfRecord } from "../../history/record.ts";
import { finished, laden, rowFor, seqOf, T0 } from "../support/node/history-rows.ts";

const ID = taskId({ queue: "default" as QueueName, shard: 0 }, seqOf(1));
const throughText = (row: HistoryRow) => JSON.parse(JSON.stringify(row)) as HistoryRow;

describe("164 a task as an array", () => {
  test.each([
    ["plain", finished(1)],
    ["laden", laden(2)],
    ["with tags alone", finished(3, { tags: ["x"] })],
    ["with a run time alone", finished(4, { runAt: T0 })],
    ["with crashes alone", finished(5, { crashes: 2 })],
    ["with a key alone", finished(7, { links: { limitKey: "k" } })],
    ["with every link", laden(8, { links: { limitKey: "k", fairnessKey: "f", replayOf: ID, replayedBy: [ID] } })],
    ["with an option alone", finished(9, { options: { timeoutMs: 5 } })],
    [
      "upgraded by its handler",
      finished(10, { attempts: finished(1).attempts.map((one) => ({ ...one, handlerVersion: 3 })) }),
    ],
    ["cancelled before any attempt", finished(6, { status: "CANCELLED", attempts: [], result: null })],
  ])("%s comes back as it was", (_, record) => {
    expect(recordOfRow(throughText(rowOfRecord(record, T0 + 5)))).toEqual({
      ...record,
      expiresAt: T0 + 5,
    });
  });

  test("a small task that succeeded at once takes at most 200 bytes", () => {
    expect(JSON.stringify(rowFor(1)).length).toBeLessThan(200);
  });
});

describe("bodies", () => {
  test("what was packed is unpacked, in order, and each body says its range, count and bytes", () => {
    const rows = [rowFor(5), rowFor(3), rowOfRecord(laden(9), T0)];
    const [body, ...rest] = packBodies(rows);
    expect(rest).toEqual([]);
    expect(body).toMatchObject({ count: 3, lo: seqOf(3), hi: seqOf(9), payload: null, result: null });
    expect(body?.bytes).toBeGreaterThanOrEqual(utf8Bytes(body?.body ?? ""));
    expect(body && unpackBody(body)).toEqual(rows);
  });

  test("155 no body is over 1 MiB of UTF-8, whatever its rows are made of", () => {
    const text = JSON.stringify('"é\\'.repeat(10_000));
    const rows = Array.from({ length: 60 }, (_, n) => rowFor(n, { payload: text, result: text }));
    const bodies = packBodies(rows);
    expect(bodies.length).toBeGreaterThan(2);
    for (const { body } of bodies) expect(utf8Bytes(body)).toBeLessThanOrEqual(MAX_BOUND_BYTES);
    expect(bodies.flatMap(unpackBody)).toEqual(rows);
  });

  test("155 a task with a text over 64 KiB is a body of its own, its texts beside it", () => {
    const large = JSON.stringify("x".repeat(LARGE_ROW_BYTES));
    const rows = [rowFor(1), rowFor(2, { payload: large }), rowFor(3), rowFor(4, { result: large })];
    const bodies = packBodies(rows);
    expect(bodies.map(({ count }) => count)).toEqual([1, 1, 2]);
    expect(bodies[0]).toMatchObject({ payload: large, result: '{"b":2}', lo: seqOf(2), hi: seqOf(2) });
    expect(bodies[0]?.body.length).toBeLessThan(200);
    expect(bodies.flatMap(unpackBody).sort(([a], [b]) => a - b)).toEqual(rows);
  });

  test("nothing makes no body", () => {
    expect(packBodies([])).toEqual([]);
  });
});
