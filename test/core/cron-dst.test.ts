import { describe, expect, it } from "vitest";
import { nextCron } from "../../core/cron.ts";

/** The next `count` fires after `from`, as UTC. */
function fires(expression: string, timezone: string, from: string, count: number): string[] {
  const found: string[] = [];
  let next = nextCron({ cron: expression, timezone }, Date.parse(from));
  for (; next !== null && found.length < count; next = nextCron({ cron: expression, timezone }, next))
    found.push(new Date(next).toISOString().slice(0, 16));
  return found;
}

// 2026-03-29 01:00 UTC: 02:00 → 03:00. 2026-10-25 01:00 UTC: 03:00 → 02:00.
describe("171 cron in Vienna where clocks change", () => {
  const zone = "Europe/Vienna";

  it("a time of day in the gap fires once that day, at its end", () => {
    expect(fires("30 2 * * *", zone, "2026-03-28T12:00:00Z", 2)).toEqual(["2026-03-29T01:00", "2026-03-30T00:30"]);
  });

  it("one of several times of day in the gap does so too", () => {
    expect(fires("30 2,14 * * *", zone, "2026-03-28T14:00:00Z", 3)).toEqual([
      "2026-03-29T01:00",
      "2026-03-29T12:30",
      "2026-03-30T00:30",
    ]);
  });

  it("a time of day that comes twice fires at the first", () => {
    expect(fires("30 2 * * *", zone, "2026-10-24T12:00:00Z", 2)).toEqual(["2026-10-25T00:30", "2026-10-26T01:30"]);
  });

  it("asked between the two, it does not fire again", () => {
    expect(fires("30 2 * * *", zone, "2026-10-25T01:10:00Z", 1)).toEqual(["2026-10-26T01:30"]);
  });

  it("an interval goes on in real time over the gap and through both passes of the fold", () => {
    expect(fires("*/30 * * * *", zone, "2026-03-29T00:15:00Z", 4)).toEqual([
      "2026-03-29T00:30",
      "2026-03-29T01:00",
      "2026-03-29T01:30",
      "2026-03-29T02:00",
    ]);
    expect(fires("30 * * * *", zone, "2026-10-25T00:00:00Z", 3)).toEqual([
      "2026-10-25T00:30",
      "2026-10-25T01:30",
      "2026-10-25T02:30",
    ]);
  });

  it("an interval within the hour that the gap swallowed skips it, and runs twice through the fold", () => {
    expect(fires("*/30 2 * * *", zone, "2026-03-28T12:00:00Z", 1)).toEqual(["2026-03-30T00:00"]);
    expect(fires("*/30 2 * * *", zone, "2026-10-24T12:00:00Z", 4)).toEqual([
      "2026-10-25T00:00",
      "2026-10-25T00:30",
      "2026-10-25T01:00",
      "2026-10-25T01:30",
    ]);
  });

  it("times of day beside the change stay where the wall clock has them", () => {
    expect(fires("0 3 * * *", zone, "2026-03-28T12:00:00Z", 2)).toEqual(["2026-03-29T01:00", "2026-03-30T01:00"]);
    expect(fires("59 1 * * *", zone, "2026-03-28T12:00:00Z", 1)).toEqual(["2026-03-29T00:59"]);
    expect(fires("0 3 * * *", zone, "2026-10-24T12:00:00Z", 2)).toEqual(["2026-10-25T02:00", "2026-10-26T02:00"]);
  });
});

// 2026-03-08 07:00 UTC: 02:00 → 03:00. 2026-11-01 06:00 UTC: 02:00 → 01:00.
describe("171 cron in New York where clocks change", () => {
  const zone = "America/New_York";

  it("a time of day in the gap fires once that day, at its end", () => {
    expect(fires("15 2 * * *", zone, "2026-03-07T12:00:00Z", 2)).toEqual(["2026-03-08T07:00", "2026-03-09T06:15"]);
  });

  it("a time of day that comes twice fires at the first", () => {
    expect(fires("30 1 * * *", zone, "2026-10-31T12:00:00Z", 2)).toEqual(["2026-11-01T05:30", "2026-11-02T06:30"]);
  });

  it("an interval runs through both passes", () => {
    expect(fires("0,30 * * * *", zone, "2026-11-01T04:45:00Z", 5)).toEqual([
      "2026-11-01T05:00",
      "2026-11-01T05:30",
      "2026-11-01T06:00",
      "2026-11-01T06:30",
      "2026-11-01T07:00",
    ]);
  });

  it("a weekly time of day keeps its wall clock over both changes", () => {
    expect(fires("0 9 * * SUN", zone, "2026-03-05T00:00:00Z", 2)).toEqual(["2026-03-08T13:00", "2026-03-15T13:00"]);
    expect(fires("0 9 * * SUN", zone, "2026-10-30T00:00:00Z", 2)).toEqual(["2026-11-01T14:00", "2026-11-08T14:00"]);
  });
});

describe("171 cron where clocks change by half an hour", () => {
  // Lord Howe, 2026-10-04 02:00 → 02:30 (15:30 UTC the day before); 10.5 and 11 hours ahead.
  it("a time of day in the gap fires at its end", () => {
    expect(fires("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", 2)).toEqual([
      "2026-10-03T15:30",
      "2026-10-04T15:15",
    ]);
  });
});

it("331 an interval is the same by either rule: it fires in both passes by itself, each second of them", () => {
  const from = Date.parse("2027-11-07T05:59:58Z");
  const of = (dst: "once" | "both", cron: string): (number | null)[] => {
    const found: (number | null)[] = [];
    for (let at: number | null = from; at !== null && found.length < 5; ) {
      at = nextCron({ cron, timezone: "America/New_York", dst }, at);
      found.push(at);
    }
    return found;
  };
  for (const cron of ["* * * * * *", "*/5 * * * * *", "* * * * *", "0,30 * * * *"])
    expect(of("both", cron)).toEqual(of("once", cron));
  expect(of("both", "* * * * * *")).toEqual([1, 2, 3, 4, 5].map((s) => from + s * 1_000));
});
