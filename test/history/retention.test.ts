import { beforeEach, describe, expect, test } from "vitest";
import type { TenantName } from "../../core/ids.ts";
import type { TaskRecord } from "../../core/task.ts";
import { packBodies } from "../../history/outbox-body.ts";
import { PORTION_ROWS, type RetentionCursor, retainHistory } from "../../history/retention.ts";
import { writeHistory } from "../../history/write.ts";
import { NodeD1 } from "../support/node/d1.ts";
import { HandClock } from "../support/node/hand-clock.ts";
import { AT, DAY_MS, rowFor, seqOf, T0 } from "../support/node/history-rows.ts";

let d1: NodeD1;
let clock: HandClock;
beforeEach(() => {
  d1 = new NodeD1();
  clock = new HandClock(T0);
});

const EXPIRY = T0 + 30 * DAY_MS;
async function fill(
  count: number,
  more: (n: number) => Partial<TaskRecord> = () => ({}),
  expiry = (_: number) => EXPIRY,
) {
  const rows = Array.from({ length: count }, (_, n) => rowFor(n, more(n), expiry(n)));
  expect(await writeHistory(d1, AT, packBodies(rows), clock)).toMatchObject({ ok: true, refused: [] });
}
/** Calls until the end of the walk; how many there were, and their sums. */
async function walk(portions: number) {
  let cursor: RetentionCursor | null = null;
  const sums = { calls: 0, walked: 0, deleted: 0, blanked: 0 };
  do {
    const retained = await retainHistory(d1, cursor, clock, portions);
    if (!retained.ok) throw new Error(retained.reason);
    sums.calls++;
    sums.walked += retained.walked;
    sums.deleted += retained.deleted;
    sums.blanked += retained.blanked;
    cursor = retained.cursor;
  } while (cursor !== null);
  return sums;
}
const count = (where = "true") => d1.rows(`SELECT count(*) AS n FROM history WHERE ${where}`)[0]?.n;

describe("168 retention", () => {
  test("deletes what is past its time, keeps the rest, and walks all of it in portions", async () => {
    await fill(2_500, undefined, (n) => (n % 2 === 0 ? EXPIRY : EXPIRY + 1));
    clock.advance(EXPIRY - T0 - 1);
    expect(await walk(1)).toMatchObject({ calls: 3, walked: 2_500, deleted: 0 });
    clock.advance(1);
    expect(await walk(1)).toMatchObject({ calls: 3, walked: 2_500, deleted: 1_250 });
    expect(count(`expires_at = ${EXPIRY}`)).toBe(0);
    expect(count()).toBe(1_250);
    expect(await walk(1)).toMatchObject({ walked: 1_250, deleted: 0 });
  });

  test("blanks results that expire earlier than their task, once", async () => {
    await fill(10, (n) => ({ resultExpiresAt: n < 4 ? T0 + DAY_MS : T0 + 2 * DAY_MS }));
    clock.advance(DAY_MS);
    expect(await walk(1)).toMatchObject({ walked: 10, deleted: 0, blanked: 4 });
    expect(count("result IS NULL")).toBe(4);
    expect(await walk(1)).toMatchObject({ blanked: 0 });
  });

  test("a call looks at no more rows than its portions hold, and none of them twice", async () => {
    await fill(PORTION_ROWS * 3);
    const first = await retainHistory(d1, null, clock, 2);
    expect(first).toMatchObject({
      ok: true,
      walked: 2 * PORTION_ROWS,
      cursor: { tenant: "default", seq: seqOf(1_999) },
    });
    const second = await retainHistory(d1, first.ok ? first.cursor : null, clock, 2);
    expect(second).toMatchObject({ ok: true, walked: PORTION_ROWS, cursor: null });
  });

  test("each statement walks the key from where it is, and never the table from its beginning", async () => {
    await fill(5, () => ({ resultExpiresAt: T0 }));
    await fill(
      6,
      (n) => ({ rev: 9, ...(n === 5 && { status: "FAILED" as const, result: null }) }),
      (n) => (n === 5 ? T0 : EXPIRY),
    );
    clock.advance(7 * DAY_MS);
    await retainHistory(d1, null, clock);
    const statements = d1.calls.slice(2).flat();
    expect(statements.map((sql) => sql.trim().split(" ")[0])).toEqual(["WITH", "DELETE", "UPDATE"]);
    for (const sql of statements) {
      const values = ["t", 1, "q", 0, T0, ...(sql.startsWith("WITH") ? [] : ["t", 2, "q", 0])];
      const plan = d1.sqlite.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...values);
      const steps = plan.map(({ detail }) => String(detail)).filter((step) => step.includes("history"));
      expect(steps).not.toEqual([]);
      for (const step of steps) expect(step).toMatch(/^SEARCH history USING PRIMARY KEY \(\(tenant,seq,queue,shard\)>/);
    }
  });

  test("every tenant's history is walked, and what is written meanwhile is not in the way", async () => {
    for (const tenant of ["a", "b", "c"] as TenantName[])
      await writeHistory(d1, { ...AT, tenant }, packBodies([rowFor(1), rowFor(2)]), clock);
    clock.advance(30 * DAY_MS);
    expect(await walk(1)).toMatchObject({ calls: 1, walked: 6, deleted: 6 });
    expect(await walk(1)).toMatchObject({ walked: 0 });
  });

  test("a database that is away is told, and the walk goes on later from its cursor", async () => {
    await fill(PORTION_ROWS + 1);
    const first = await retainHistory(d1, null, clock, 1);
    d1.fault = () => {
      throw new Error("D1_ERROR: Network connection lost.");
    };
    expect(await retainHistory(d1, first.ok ? first.cursor : null, clock, 1)).toMatchObject({ ok: false });
    d1.fault = () => {};
    expect(await retainHistory(d1, first.ok ? first.cursor : null, clock, 1)).toMatchObject({
      ok: true,
      walked: 1,
      cursor: null,
    });
  });
});
