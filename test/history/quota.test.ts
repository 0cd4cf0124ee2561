/** `historyMaxBytes`: what the walk of retention counts, what goes, and that nothing more goes than is too much. */
import { beforeEach, describe, expect, test } from "vitest";
import type { QueueName } from "../../core/ids.ts";
import type { HistoryDatabase } from "../../core/ports.ts";
import { packBodies } from "../../history/outbox-body.ts";
import { endWalk, NO_USAGE, pass } from "../../history/quota.ts";
import { tombstoneOf } from "../../history/tombstone.ts";
import { walkRetention } from "../../history/walk-retention.ts";
import { writeHistory } from "../../history/write.ts";
import { NodeD1 } from "../support/node/d1.ts";
import { HandClock } from "../support/node/hand-clock.ts";
import { AT, DAY_MS, rowFor, seqOf, T0 } from "../support/node/history-rows.ts";

const HOUR_MS = 3_600_000;
const QUEUE = AT.queue;
let d1: NodeD1;
let clock: HandClock;
beforeEach(() => {
  d1 = new NodeD1();
  clock = new HandClock(T0);
});

const payload = JSON.stringify("x".repeat(998));
async function fill(from: number, count: number, queue = QUEUE): Promise<void> {
  const rows = Array.from({ length: count }, (_, i) => rowFor(from + i, { payload, result: null }));
  expect(await writeHistory(d1, { ...AT, queue }, packBodies(rows), clock)).toMatchObject({ ok: true, refused: [] });
}
const BYTES = "octet_length(detail) + octet_length(payload) + coalesce(octet_length(result), 0)";
const held = (queue: string = QUEUE) =>
  d1.rows(`SELECT count(*) AS n, coalesce(sum(${BYTES}), 0) AS bytes, min(seq) AS first FROM history
    WHERE queue = '${queue}'`)[0] as { n: number; bytes: number; first: number };
const quota = (maxBytes: number) => async () => [{ tenant: AT.tenant, queue: QUEUE, maxBytes }];
/** Calls until the walk rests; how many it took. */
async function walk(maxBytes: number, database: HistoryDatabase = d1): Promise<number> {
  for (let calls = 0; ; calls++) if ((await walkRetention(database, clock, quota(maxBytes))) === null) return calls;
}

describe("294 the bytes of a queue's history", () => {
  test("are counted as the walk passes; in the next, at once, the oldest go until there are no more than may be", async () => {
    await fill(0, 12_000);
    await fill(0, 50, "other" as QueueName);
    const { bytes } = held();
    const most = bytes - 3_000_500;
    expect(await walkRetention(d1, clock, quota(most))).toMatchObject({ walked: 10_000, deleted: 0 });
    expect(await walkRetention(d1, clock, quota(most))).toMatchObject({ walked: 2_050, deleted: 0, cursor: null });
    const trimmed = await walkRetention(d1, clock, quota(most));
    const left = held();
    expect(trimmed).toMatchObject({ deleted: 12_000 - left.n });
    expect(left.bytes).toBeLessThanOrEqual(most);
    expect(left.bytes).toBeGreaterThan(most - bytes / 12_000 - 1);
    expect(left.first).toBe(seqOf(12_000 - left.n));
    expect(held("other").n).toBe(50);
    expect(await walk(most)).toBe(1);
    expect(held()).toEqual(left);
  });

  test("what comes meanwhile is over for a rest and two walks at most", async () => {
    const most = 500_000;
    await fill(0, 400);
    await walk(most);
    await fill(400, 2_000);
    expect(held().bytes).toBeGreaterThan(most);
    clock.advance(HOUR_MS);
    await walk(most);
    expect(held().bytes).toBeLessThanOrEqual(most);
    expect(held().first).toBe(seqOf(2_400 - held().n));
  });

  test("what goes by age goes first, and counts", async () => {
    await fill(0, 1_000);
    await walk(10_000_000);
    const rows = Array.from({ length: 1_000 }, (_, i) =>
      rowFor(1_000 + i, { payload, result: null }, T0 + 300 * DAY_MS),
    );
    await writeHistory(d1, AT, packBodies(rows), clock);
    clock.advance(31 * DAY_MS);
    await walk(1_200_000);
    expect(held()).toMatchObject({ n: 1_000, first: seqOf(1_000) });
  });

  test("an answer that was lost, or two walkers at once, take no more than is too much", async () => {
    await fill(0, 5_000);
    const most = held().bytes - 2_000_500;
    let calls = 0;
    const lossy: HistoryDatabase = {
      prepare: (statement) => d1.prepare(statement),
      async batch(statements) {
        const results = await d1.batch(statements as never);
        if (calls++ % 2 === 0) throw new Error("D1_ERROR: Network connection lost.");
        return results;
      },
    };
    for (let i = 0; i < 20; i++) {
      const walked = walkRetention(lossy, clock, quota(most));
      await Promise.all([walked, walkRetention(d1, clock, quota(most))]);
    }
    const { bytes } = held();
    expect([bytes <= most, bytes > most - 2_500]).toEqual([true, true]);
  });

  test("a Directory that is silent in the midst of a walk: by age it goes on, and less is counted, never more", async () => {
    await fill(0, 12_000);
    const most = held().bytes - 1_000_000;
    await walkRetention(d1, clock, quota(most));
    await walkRetention(d1, clock);
    clock.advance(HOUR_MS);
    await walkRetention(d1, clock, quota(most));
    expect(held().n).toBe(12_000);
  });

  test("226 a tombstone weighs nothing and stays", async () => {
    const tombstone = tombstoneOf({ seq: seqOf(0), status: "FAILED", createdAt: T0, endedAt: T0 }, 60, clock.now());
    await writeHistory(d1, AT, packBodies([tombstone]), clock);
    await fill(1, 100);
    await walk(1);
    expect(held()).toMatchObject({ n: 1, first: seqOf(0) });
  });

  test("each statement walks the key", async () => {
    await fill(0, 200);
    await walk(50_000);
    const statements = [...new Set(d1.calls.flat())].filter((sql) => /octet_length|json_each/.test(sql)).slice(-2);
    expect(statements.map((sql) => sql.split(" ")[0])).toEqual(["SELECT", "DELETE"]);
    for (const sql of statements) {
      const values = ["t", 1, "q", 0, T0, "t", 2, "q", 0, "[]", ...(sql.startsWith("DELETE") ? ["", ""] : [])];
      const plan = d1.sqlite.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...values);
      const steps = plan.map(({ detail }) => String(detail)).filter((step) => / history /.test(step));
      expect(steps).not.toEqual([]);
      for (const step of steps) expect(step).toMatch(/^SEARCH history USING PRIMARY KEY \(\(tenant,seq,queue,shard\)>/);
    }
  });
});

describe("294 worked out", () => {
  const quotas = [{ tenant: "t", queue: "q", maxBytes: 100 }];
  const row = (seq: number, bytes: number, freed = 0, queue = "q") => ({
    tenant: "t",
    seq,
    queue,
    shard: 0,
    bytes,
    freed,
  });

  test("rows go while the last whole walk has more than may be; then they are counted", () => {
    const first = pass([row(1, 60), row(2, 60), row(3, 60), row(4, 60, 0, "free")], NO_USAGE, quotas);
    expect(first).toEqual({ doomed: [], usage: { total: { "t:q": 0 }, counted: { "t:q": 180 } } });
    const { usage, isOver } = endWalk(first.usage, quotas);
    expect([usage, isOver]).toEqual([{ total: { "t:q": 180 }, counted: {} }, true]);
    const second = pass([row(1, 60), row(2, 60), row(3, 60)], usage, quotas);
    expect(second.doomed.map(({ seq }) => seq)).toEqual([1, 2]);
    expect(second.usage).toEqual({ total: { "t:q": 60 }, counted: { "t:q": 60 } });
    expect(endWalk(second.usage, quotas).isOver).toBe(false);
  });

  test("what goes by age is not taken for more", () => {
    const usage = { total: { "t:q": 180 }, counted: {} };
    const passed = pass([row(1, 60, 60), row(2, 60, 30), row(3, 60)], usage, quotas);
    expect(passed.doomed).toEqual([]);
    expect(passed.usage).toEqual({ total: { "t:q": 90 }, counted: { "t:q": 90 } });
  });
});
