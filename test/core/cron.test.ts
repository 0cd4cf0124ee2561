import { describe, expect, it } from "vitest";
import { cronProblem, latestCron, nextCron } from "../../core/cron.ts";
import { isTimeZone } from "../../core/zone-clocks.ts";

const at = (text: string) => Date.parse(text);

/** The next `count` fires after `from`, as UTC without milliseconds. */
function fires(expression: string, timezone: string, from: string, count: number): string[] {
  const found: string[] = [];
  let next = nextCron({ cron: expression, timezone }, at(from));
  while (next !== null && found.length < count) {
    found.push(new Date(next).toISOString().replace(":00.000Z", "Z"));
    next = nextCron({ cron: expression, timezone }, next);
  }
  return found;
}

describe("cron", () => {
  it("E1 169 five fields fire on the minute, six on the second, strictly after", () => {
    expect(nextCron({ cron: "* * * * *", timezone: "UTC" }, at("2026-05-01T10:00:00Z"))).toBe(
      at("2026-05-01T10:01:00Z"),
    );
    expect(nextCron({ cron: "* * * * *", timezone: "UTC" }, at("2026-05-01T09:59:59.999Z"))).toBe(
      at("2026-05-01T10:00:00Z"),
    );
    expect(nextCron({ cron: "*/10 * * * * *", timezone: "UTC" }, at("2026-05-01T10:00:00.001Z"))).toBe(
      at("2026-05-01T10:00:10Z"),
    );
  });

  it("169 is read in its zone", () => {
    expect(fires("0 9 * * *", "Europe/Vienna", "2026-01-10T00:00:00Z", 1)).toEqual(["2026-01-10T08:00Z"]);
    expect(fires("0 9 * * *", "Europe/Vienna", "2026-07-10T00:00:00Z", 1)).toEqual(["2026-07-10T07:00Z"]);
    expect(fires("0 9 * * *", "Asia/Kathmandu", "2026-07-10T00:00:00Z", 1)).toEqual(["2026-07-10T03:15Z"]);
  });

  it("weekdays are 0-7 or names, day and weekday both given mean either, + means both", () => {
    expect(fires("0 0 * * 7", "UTC", "2026-05-01T00:00:00Z", 1)).toEqual(["2026-05-03T00:00Z"]);
    expect(fires("0 0 * * 0", "UTC", "2026-05-01T00:00:00Z", 1)).toEqual(["2026-05-03T00:00Z"]);
    expect(fires("0 0 * * MON-WED", "UTC", "2026-05-01T00:00:00Z", 3)).toEqual([
      "2026-05-04T00:00Z",
      "2026-05-05T00:00Z",
      "2026-05-06T00:00Z",
    ]);
    expect(fires("0 0 13 * FRI", "UTC", "2026-05-01T00:00:00Z", 3)).toEqual([
      "2026-05-08T00:00Z",
      "2026-05-13T00:00Z",
      "2026-05-15T00:00Z",
    ]);
    expect(fires("0 0 13 * +FRI", "UTC", "2026-05-01T00:00:00Z", 1)).toEqual(["2026-11-13T00:00Z"]);
  });

  it("the last day of the month, the nearest weekday and the second Monday", () => {
    expect(fires("0 0 L * *", "UTC", "2027-02-01T00:00:00Z", 2)).toEqual(["2027-02-28T00:00Z", "2027-03-31T00:00Z"]);
    expect(fires("0 0 15W * *", "UTC", "2026-08-01T00:00:00Z", 1)).toEqual(["2026-08-14T00:00Z"]);
    expect(fires("0 0 * * MON#2", "UTC", "2026-05-01T00:00:00Z", 1)).toEqual(["2026-05-11T00:00Z"]);
  });

  it("29 February fires in leap years alone, 2100 is none", () => {
    expect(fires("0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", 2)).toEqual(["2028-02-29T00:00Z", "2032-02-29T00:00Z"]);
    expect(fires("0 0 29 2 *", "UTC", "2097-01-01T00:00:00Z", 1)).toEqual(["2104-02-29T00:00Z"]);
    expect(fires("0 0 31 12 *", "UTC", "2028-12-30T00:00:00Z", 2)).toEqual(["2028-12-31T00:00Z", "2029-12-31T00:00Z"]);
  });

  it("a date that no year has never fires", () => {
    expect(nextCron({ cron: "0 0 30 2 *", timezone: "UTC" }, at("2026-01-01T00:00:00Z"))).toBeNull();
    expect(cronProblem("0 0 30 2 *")).toBeNull();
  });

  it.each([
    ["", /5 or 6 fields/],
    ["* * * *", /5 or 6 fields/],
    ["0 0 * * * * 2026", /5 or 6 fields/],
    ["@daily", /5 or 6 fields/],
    ["60 * * * *", /^the minute is '60', and may be 0 to 59, in ranges/],
    ["60 * * * * *", /^the second is '60'/],
    ["* 24 * * *", /^the hour is '24'/],
    ["0 0 32 * *", /^the day is '32', and may be 1 to 31, L/],
    ["0 0 * 13 *", /^the month is '13', and may be 1 to 12, JAN/],
    ["0 0 0 * *", /^the day is '0'/],
    ["0 0 32W * *", /^the day is '32W'/],
    ["0 0 W * *", /^the day is 'W'/],
    ["0 0 L-3 * *", /^the day is 'L-3'/],
    ["0 0 * * 8", /^the weekday is '8', and may be 0 to 7, SUN/],
    ["0 0 * * MON#6", /^the weekday is 'MON#6'/],
    ["*/0 * * * *", /^the minute is '\*\/0'/],
    ["-5 * * * *", /^the minute is '-5'/],
    ["0/15 * * * *", /; a step stands behind \* or a range$/],
    ["0 0 * * FRI-MON", /^the weekday is 'FRI-MON'.*; a range goes upwards/],
    ["0 22-2 * * *", /^the hour is '22-2'.*; a range goes upwards/],
    ["a b c d e", /^the minute is 'a'/],
    ["2026-01-01T00:00:00 1 1 1 1", /no field/],
    ["0 0 * * 1;DROP", /no field/],
    [`0 0 * * ${"1,".repeat(200)}1`, /longer/],
  ])("169 %j can't be read", (expression, why) => {
    expect(cronProblem(expression)).toMatch(why);
    expect(() => nextCron({ cron: expression, timezone: "UTC" }, 0)).toThrow(why);
  });

  it("blanks around and between fields do not matter", () => {
    expect(fires("  0\t9  * * * ", "UTC", "2026-05-01T10:00:00Z", 1)).toEqual(["2026-05-02T09:00Z"]);
  });

  it("169 zones are IANA names, fixed offsets are none", () => {
    expect(["Europe/Vienna", "UTC", "America/New_York", "Etc/GMT+3"].every(isTimeZone)).toBe(true);
    expect(["Mars/Olympus", "+02:00", "", "Europe/Vienna; DROP"].some(isTimeZone)).toBe(false);
  });

  it("the latest fires are told oldest first, one that falls on the moment too", () => {
    expect(latestCron({ cron: "*/5 * * * *", timezone: "UTC" }, at("2026-05-01T10:10:00Z"), 2)).toEqual([
      at("2026-05-01T10:05:00Z"),
      at("2026-05-01T10:10:00Z"),
    ]);
  });
});
