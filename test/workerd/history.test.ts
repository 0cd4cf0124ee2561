/** The same history on the real D1: what only D1 decides (its words when it refuses, and its bill; the local one takes values far over D1's 2 MB). */
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import type { QueueName, Seq, ShardAddress } from "../../core/ids.ts";
import type { HistoryDatabase, HistoryStatement } from "../../core/ports.ts";
import { packBodies } from "../../history/outbox-body.ts";
import { countHistory, readHistory } from "../../history/read.ts";
import type { HistoryRow } from "../../history/record.ts";
import { recordOfRow, rowOfRecord } from "../../history/record.ts";
import { retainHistory } from "../../history/retention.ts";
import { walkRetention } from "../../history/walk-retention.ts";
import { writeHistory } from "../../history/write.ts";
import { platformPorts } from "../../ports.ts";
import { AT, DAY_MS, finished, laden, refusedRow, rowFor, seqOf, T0 } from "../support/node/history-rows.ts";

const d1 = databaseOf(0);
const later = (ms: number, run: () => void) => {
  const timer = setTimeout(run, ms);
  return () => clearTimeout(timer);
};
const portsAt = (now: number) => ({ now: () => now, later });
const ports = portsAt(T0);

/** A shard that no other test writes to. */
let queues = 0;
const freshShard = (): ShardAddress => ({ ...AT, queue: `history-${++queues}` as QueueName });
const write = (at: ShardAddress, rows: readonly HistoryRow[]) => writeHistory(d1, at, packBodies(rows), ports);
const read = (at: ShardAddress, seqs: readonly Seq[], now = T0) =>
  readHistory(d1, at, seqs, portsAt(now), { texts: true, ms: 5_000 });

function databaseOf(number: number): HistoryDatabase {
  const database = platformPorts(env).history(number);
  if (!database) throw new Error(`HISTORY_${number} is not bound`);
  return database;
}

describe("history on D1", () => {
  it("164 one row is written a task: 1,000 of them are billed as 1,000, and again as none", async () => {
    const at = freshShard();
    const rows = Array.from({ length: 1_000 }, (_, n) => rowFor(n));
    expect(await write(at, rows)).toEqual({ ok: true, refused: [], left: [], rowsWritten: 1_000 });
    expect(await write(at, rows)).toEqual({ ok: true, refused: [], left: [], rowsWritten: 0 });
    expect(await countHistory(d1, at, seqOf(0), 1_000, ports, 5_000)).toEqual({
      ok: true,
      counts: { SUCCEEDED: 1_000 },
    });
  });

  it("164 tasks come back as they were, the newest revision of each", async () => {
    const at = freshShard();
    await write(at, [
      rowOfRecord(laden(1), T0 + 1),
      rowFor(2),
      rowFor(2, { rev: 9, result: '"newer"' }),
      rowFor(2, { rev: 8 }),
    ]);
    expect(await read(at, [seqOf(2), seqOf(7), seqOf(1)])).toMatchObject({
      ok: true,
      tasks: [{ ...finished(2), rev: 9, result: '"newer"' }, null, laden(1)],
    });
  });

  it("a walk of the views into detail reads what was written", async () => {
    const at = freshShard();
    await write(at, [rowOfRecord(laden(1), T0 + 1), rowFor(2)]);
    const { results } = await d1
      .prepare(
        `SELECT version, priority, tags, run_at, attempts_dropped, crashes, error ->> 'class' AS class,
         json_array_length(attempts) AS attempts, replay_of FROM history WHERE queue = ? ORDER BY seq`,
      )
      .bind(at.queue)
      .run();
    const plain = { tags: null, run_at: null, attempts_dropped: 0, crashes: 0, class: null, replay_of: null };
    expect(results).toEqual([
      {
        version: 3,
        priority: 9,
        tags: '["a","ü,;"]',
        run_at: T0 - 5_000,
        attempts_dropped: 2,
        crashes: 1,
        class: "TypeError",
        attempts: 3,
        replay_of: null,
      },
      { ...plain, version: 1, priority: 5, attempts: 1 },
    ]);
  });

  it("167 a refused row is found, told, and holds up nobody", async () => {
    const at = freshShard();
    const rows = Array.from({ length: 500 }, (_, n) => (n === 123 || n === 124 ? refusedRow(n) : rowFor(n)));
    const outcome = await write(at, rows);
    expect(outcome).toMatchObject({
      ok: true,
      refused: [{ seq: seqOf(123), reason: expect.stringContaining("CONSTRAINT") }, { seq: seqOf(124) }],
    });
    expect(await countHistory(d1, at, seqOf(0), 500, ports, 5_000)).toEqual({ ok: true, counts: { SUCCEEDED: 498 } });
  });

  it("155 payloads and results of quotes, of control characters and of astral letters, at their limits, arrive whole", async () => {
    const at = freshShard();
    const quotes = JSON.stringify('"'.repeat(524_287));
    const control = JSON.stringify("\u0000\u0001".repeat(21_800));
    const astral = JSON.stringify("😀".repeat(262_143));
    const rows = [quotes, astral].flatMap((result, n) =>
      Array.from({ length: 5 }, (_, i) => rowFor(n * 5 + i, { result, payload: control })),
    );
    expect(await write(at, rows)).toMatchObject({ ok: true, refused: [], rowsWritten: 10 });
    for (const row of rows) {
      const answer = await read(at, [row[0]]);
      const [task] = answer.ok ? answer.tasks : [];
      expect(task?.result === recordOfRow(row).result && task.payload === control).toBe(true);
    }
  });

  it("168 what is past its time is forgotten, by the key, and results before their tasks", async () => {
    const at = freshShard();
    const old = 40 * DAY_MS;
    const rows = Array.from({ length: 30 }, (_, n) =>
      rowFor(n, { resultExpiresAt: n % 2 === 0 ? T0 : T0 + old }, n < 10 ? T0 + DAY_MS : T0 + old),
    );
    await write(at, rows);
    const now = portsAt(T0 + DAY_MS);
    let [deleted, blanked] = [0, 0];
    for (let cursor = null, isFirst = true; isFirst || cursor !== null; isFirst = false) {
      const retained = await retainHistory(d1, cursor, now, 1);
      if (!retained.ok) throw new Error(retained.reason);
      deleted += retained.deleted;
      blanked += retained.blanked;
      cursor = retained.cursor;
    }
    expect(deleted).toBeGreaterThanOrEqual(10);
    expect(blanked).toBeGreaterThanOrEqual(10);
    const left = await d1
      .prepare("SELECT count(*) AS tasks, count(result) AS results FROM history WHERE queue = ?")
      .bind(at.queue)
      .run();
    expect(left.results).toEqual([{ tasks: 20, results: 10 }]);
  });

  it("294 a queue with more bytes than it may have loses its oldest tasks", async () => {
    const at = freshShard();
    await write(
      at,
      Array.from({ length: 20 }, (_, n) => rowFor(n)),
    );
    const quota = async () => [{ tenant: at.tenant, queue: at.queue, maxBytes: 500 }];
    for (let i = 0; i < 20; i++) await walkRetention(d1, portsAt(T0), quota);
    const { results } = await d1.prepare("SELECT seq FROM history WHERE queue = ?").bind(at.queue).run();
    expect(results.length).toBeGreaterThan(2);
    expect(results.at(-1)).toEqual({ seq: seqOf(19) });
    expect(results[0]).toEqual({ seq: seqOf(20 - results.length) });
    expect(results.length).toBeLessThan(15);
  });

  it("166 a database that was not migrated is unavailable, and no row's fault", async () => {
    const unmigrated = {
      prepare: (statement: string) => d1.prepare(statement.replaceAll("history", "absent")),
      batch: (statements: HistoryStatement[]) => d1.batch(statements),
    };
    expect(await readHistory(unmigrated, AT, [seqOf(1)], ports, { texts: true, ms: 5_000 })).toMatchObject({
      ok: false,
    });
  });
});
