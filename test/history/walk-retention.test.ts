import { beforeEach, describe, expect, test } from "vitest";
import { packBodies } from "../../history/outbox-body.ts";
import { walkRetention } from "../../history/walk-retention.ts";
import { writeHistory } from "../../history/write.ts";
import { NodeD1 } from "../support/node/d1.ts";
import { HandClock } from "../support/node/hand-clock.ts";
import { AT, DAY_MS, rowFor, T0 } from "../support/node/history-rows.ts";

let d1: NodeD1;
let clock: HandClock;
beforeEach(async () => {
  d1 = new NodeD1();
  clock = new HandClock(T0);
  const rows = Array.from({ length: 12_000 }, (_, n) => rowFor(n, {}, T0 + DAY_MS));
  expect(await writeHistory(d1, AT, packBodies(rows), clock)).toMatchObject({ ok: true, refused: [] });
});

describe("168 the walk of retention", () => {
  test("goes on where the last call left it, rests an hour at the end, and begins again", async () => {
    expect(await walkRetention(d1, clock)).toMatchObject({ walked: 10_000, deleted: 0 });
    clock.advance(DAY_MS);
    expect(await walkRetention(d1, clock)).toMatchObject({ walked: 2_000, deleted: 2_000 });
    clock.advance(59 * 60_000);
    expect(await walkRetention(d1, clock)).toBeNull();
    clock.advance(60_000);
    expect(await walkRetention(d1, clock)).toMatchObject({
      walked: 10_000,
      deleted: 10_000,
      cursor: { seq: expect.any(Number) },
    });
    expect(await walkRetention(d1, clock)).toMatchObject({ walked: 0, cursor: null });
    expect(d1.rows("SELECT count(*) AS n FROM history")[0]?.n).toBe(0);
  });

  test("a database that is away is told, and the walk keeps its place", async () => {
    expect(await walkRetention(d1, clock)).toMatchObject({ walked: 10_000 });
    d1.fault = () => {
      throw new Error("D1_ERROR: Network connection lost.");
    };
    expect(await walkRetention(d1, clock)).toMatchObject({ ok: false, reason: expect.stringContaining("Network") });
    d1.fault = () => {};
    expect(await walkRetention(d1, clock)).toMatchObject({ walked: 2_000 });
  });
});
