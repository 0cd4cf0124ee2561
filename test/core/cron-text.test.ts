import { expect, it } from "vitest";
import { cronText } from "../../core/cron-text.ts";

it.each([
  ["0 9 * * MON-FRI", "At 09:00, Monday through Friday"],
  ["0 0 * * 0,7", "At 00:00, only on Sunday"],
  ["0 0 * * SUN,7,1", "At 00:00, only on Sunday and Monday"],
  ["0 0 * * 0-7", "At 00:00"],
  ["0 0 1,1 1,JAN *", "At 00:00, on day 1 of the month, only in January"],
  ["5,5 * * * *", "At 5 minutes past the hour"],
  ["0 0 * * mon#2", "At 00:00, on the second Monday of the month"],
  ["0 0 LW * *", "At 00:00, on the last weekday of the month"],
  ["0 0 * * MON#2,WED", null],
  ["0 0 13 * +FRI", null],
  ["0 0 * * MON-FRI#1", null],
  ["0 0 * * 1-5#2", null],
  ["*,5 * * * *", null],
  ["0 0 *,1 * MON", null],
  ["*/45 * * * * *", null],
  ["*/7 * * * *", null],
  ["0 */5 * * *", null],
  ["0 0 * */12 *", null],
  ["0 0 */40 * *", null],
  ["*/15 * * * * *", "Every 15 seconds"],
  ["*/20 * * * *", "Every 20 minutes"],
  ["0 */6 * * *", "On the hour, every 6 hours"],
  ["0 0 1 */3 *", "At 00:00, on day 1 of the month, every 3 months"],
  ["0 0 */2 * *", "At 00:00, every 2 days in a month"],
])("341 %s is %s", (expression, words) => {
  expect(cronText(expression)).toBe(words);
});
