/** What D1 has of a deleted queue goes, in portions, and nothing else. */
import { beforeEach, describe, expect, test } from "vitest";
import { DEFAULT_TENANT, type QueueName, type TenantName } from "../../core/ids.ts";
import { forgetPortion } from "../../history/forget-queue.ts";
import { packBodies } from "../../history/outbox-body.ts";
import type { RetentionCursor } from "../../history/retention.ts";
import { writeHistory } from "../../history/write.ts";
import { NodeD1 } from "../support/node/d1.ts";
import { HandClock } from "../support/node/hand-clock.ts";
import { AT, rowFor, seqOf, T0 } from "../support/node/history-rows.ts";

const queue = "gone" as QueueName;
let d1: NodeD1;
let clock: HandClock;
beforeEach(() => {
  d1 = new NodeD1();
  clock = new HandClock(T0);
});

async function fill(from: number, to: number, at = {}): Promise<void> {
  const rows = Array.from({ length: to - from }, (_, i) => rowFor(from + i));
  expect(await writeHistory(d1, { ...AT, queue, ...at }, packBodies(rows), clock)).toMatchObject({ ok: true });
}
const count = (where: string) => d1.rows(`SELECT count(*) AS n FROM history WHERE ${where}`)[0]?.n;
async function forget(marks: readonly number[]): Promise<number[]> {
  const deleted: number[] = [];
  let cursor: RetentionCursor | null = null;
  do {
    const portion = await forgetPortion(
      d1,
      { tenant: DEFAULT_TENANT, marks: new Map([[queue, marks]]) },
      cursor,
      clock,
    );
    deleted.push(portion.deleted);
    cursor = portion.cursor;
  } while (cursor !== null);
  return deleted;
}

describe("258 what history has of a deleted queue", () => {
  test("goes in portions of 1,000 rows, to the mark of each shard; other queues and tenants keep theirs", async () => {
    await fill(0, 1_500);
    await fill(0, 10, { shard: 1 });
    await fill(0, 500, { queue: "other" });
    await fill(0, 10, { queue: "gone-too" });
    await fill(0, 10, { tenant: "another" as TenantName });
    const deleted = await forget([seqOf(1_400), seqOf(4)]);
    expect([Math.max(...deleted) <= 1_000, deleted.length > 1]).toEqual([true, true]);
    expect(deleted.reduce((sum, n) => sum + n)).toBe(1_404);
    expect(count(`tenant = 'default' AND queue = 'gone' AND shard = 0 AND seq >= ${seqOf(1_400)}`)).toBe(100);
    expect(count("tenant = 'default' AND queue = 'gone' AND shard = 1")).toBe(6);
    expect(count("queue = 'other'")).toBe(500);
    expect(count("queue = 'gone-too' OR tenant = 'another'")).toBe(20);
    expect((await forget([seqOf(1_400), seqOf(4)])).every((n) => n === 0)).toBe(true);
  });

  test("is not looked for beyond the highest mark, and an empty history is at its end at once", async () => {
    expect(await forget([seqOf(5)])).toEqual([0]);
    await fill(0, 3_000);
    d1.calls.length = 0;
    expect(await forget([seqOf(5)])).toEqual([5]);
  });
});
