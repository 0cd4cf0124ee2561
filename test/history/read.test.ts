import { beforeEach, describe, expect, test } from "vitest";
import type { QueueName, Seq, TenantName } from "../../core/ids.ts";
import { packBodies } from "../../history/outbox-body.ts";
import { countHistory, readHistory } from "../../history/read.ts";
import { writeHistory } from "../../history/write.ts";
import { NodeD1 } from "../support/node/d1.ts";
import { HandClock } from "../support/node/hand-clock.ts";
import { AT, DAY_MS, finished, rowFor, seqOf, T0 } from "../support/node/history-rows.ts";

let d1: NodeD1;
let clock: HandClock;
beforeEach(() => {
  d1 = new NodeD1();
  clock = new HandClock(T0 + 1_000);
});
const read = (seqs: readonly Seq[], at = AT, texts = true) => readHistory(d1, at, seqs, clock, { texts, ms: 2_000 });

describe("reading by id", () => {
  test("gives tasks in the order asked for, null where there is none, and only of that shard", async () => {
    await writeHistory(d1, AT, packBodies([rowFor(1), rowFor(2)]), clock);
    const others = [
      { ...AT, shard: 1 },
      { ...AT, queue: "other" as QueueName },
      { ...AT, tenant: "other" as TenantName },
    ];
    for (const at of others) await writeHistory(d1, at, packBodies([rowFor(3, { payload: '"theirs"' })]), clock);
    const answer = await read([seqOf(2), seqOf(3), seqOf(1)]);
    expect(answer).toMatchObject({ ok: true, tasks: [finished(2), null, finished(1)] });
    for (const at of others)
      expect(await read([seqOf(3)], at)).toMatchObject({ ok: true, tasks: [{ payload: '"theirs"' }] });
  });

  test("without texts leaves payload and result out, and everything else in", async () => {
    await writeHistory(d1, AT, packBodies([rowFor(1)]), clock);
    expect(await read([seqOf(1)], AT, false)).toMatchObject({
      ok: true,
      tasks: [{ ...finished(1), payload: "null", result: null }],
    });
  });

  test("160 162 an expired result is null and its expiry tells; an expired task is none, whether retention came by or not", async () => {
    const expiry = T0 + 7 * DAY_MS;
    await writeHistory(d1, AT, packBodies([rowFor(1)]), clock);
    clock.advance(expiry - clock.now() - 1);
    expect(await read([seqOf(1)])).toMatchObject({ tasks: [{ result: '{"b":2}' }] });
    clock.advance(1);
    expect(await read([seqOf(1)])).toMatchObject({ tasks: [{ result: null, resultExpiresAt: expiry }] });
    clock.advance(23 * DAY_MS);
    expect(await read([seqOf(1)])).toMatchObject({ ok: true, tasks: [null] });
  });

  test("each task is one look-up by the whole key", async () => {
    await read([seqOf(1)]);
    const [sql] = d1.calls.at(-1) ?? [];
    const plan = d1.sqlite.prepare(`EXPLAIN QUERY PLAN ${sql}`).all("t", "[1]", "q", 0, 0);
    expect(plan.map(({ detail }) => detail)).toContain(
      "SEARCH history USING PRIMARY KEY (tenant=? AND seq=? AND queue=? AND shard=?)",
    );
  });

  test("asks the primary where the database has replicas", async () => {
    const asked: string[] = [];
    const replicated = {
      prepare: () => {
        throw new Error("a replica was asked");
      },
      batch: () => Promise.reject(new Error("a replica was asked")),
      withSession(constraint: string) {
        asked.push(constraint);
        return d1;
      },
    };
    expect(await readHistory(replicated, AT, [seqOf(1)], clock, { texts: true, ms: 1 })).toMatchObject({ ok: true });
    expect(asked).toEqual(["first-primary"]);
  });
});

describe("counting a batch", () => {
  test("counts its range by status, of its shard alone", async () => {
    const rows = [0, 1, 2, 3, 4].map((n) => rowFor(n, n === 3 ? { status: "CANCELLED", result: null } : {}));
    await writeHistory(d1, AT, packBodies(rows), clock);
    await writeHistory(d1, { ...AT, shard: 1 }, packBodies([rowFor(2)]), clock);
    expect(await countHistory(d1, AT, seqOf(1), 3, clock, 1_000)).toEqual({
      ok: true,
      counts: { SUCCEEDED: 2, CANCELLED: 1 },
    });
    expect(await countHistory(d1, AT, seqOf(9), 3, clock, 1_000)).toEqual({ ok: true, counts: {} });
  });

  test("walks the range by the key", async () => {
    await countHistory(d1, AT, seqOf(1), 3, clock, 1_000);
    const [sql] = d1.calls.at(-1) ?? [];
    const plan = d1.sqlite.prepare(`EXPLAIN QUERY PLAN ${sql}`).all("t", 1, 3, "q", 0, 0);
    expect(plan[0]?.detail).toBe("SEARCH history USING PRIMARY KEY (tenant=? AND seq>? AND seq<?)");
  });
});

describe("166 a database that does not answer", () => {
  test("is told, when it throws and when it hangs", async () => {
    d1.fault = () => {
      throw new Error("D1_ERROR: Network connection lost.");
    };
    expect(await read([seqOf(1)])).toEqual({ ok: false, reason: "D1_ERROR: Network connection lost." });
    expect(await countHistory(d1, AT, seqOf(1), 3, clock, 2_000)).toMatchObject({ ok: false });
    d1.fault = () => new Promise(() => {});
    const pending = [read([seqOf(1)]), countHistory(d1, AT, seqOf(1), 3, clock, 2_000)];
    clock.advance(2_000);
    for (const answer of await Promise.all(pending)) expect(answer).toMatchObject({ ok: false });
  });
});
