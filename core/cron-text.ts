/** A cron expression in words, for people: "At 09:00, Monday through Friday". What fires is core/cron.ts's affair. */
import cronstrue from "cronstrue";

/** null: there are no words for it (croner's `+`, `15W` beside others), or they would be wrong. */
export function cronText(expression: string): string | null {
  if (UNTOLD.some((form) => form.test(expression)) || expression.trim().split(/\s+/).reverse().some(isUneven))
    return null;
  try {
    return cronstrue.toString(onceEach(expression), { use24HourTimeFormat: true, throwExceptionOnParseError: true });
  } catch {
    return null;
  }
}

/**
 * What cronstrue has other words for: `+` is a part of the weekday to it, MON#2,WED "the second Monday and Wednesday",
 * MON-FRI#1 "Monday through first Friday", and a `*` in a list a number.
 */
const UNTOLD = [/\+/, /#.*,|,.*#/, /-\S*#/, /\*,|,\*|,\?|\?,/] as const;
/** How many values a field has, the last one first: weekday, month, day, hour, minute, second. */
const SIZES = [7, 12, 31, 24, 60, 60] as const;
/** Months, hours, minutes, seconds: told as if steps went on over the end of the next larger one. */
const IN_A_ROW: readonly number[] = [1, 3, 4, 5];

/** Whether "every n" is not so: a step that its field is no multiple of, or that is the whole of it. */
function isUneven(field: string, place: number): boolean {
  const step = Number(/^[*?]\/(\d+)$/.exec(field)?.[1] ?? 1);
  const size = SIZES[place] ?? 60;
  return step > 1 && (step >= size || (IN_A_ROW.includes(place) && size % step !== 0));
}

const WEEKDAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
const MONTHS = ["", "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];

/** What a list says twice, it says once: else there are words like "only on Sunday and Sunday" for `0,7`. */
function onceEach(expression: string): string {
  const fields = expression.trim().split(/\s+/);
  return fields
    .map((field, i) => {
      const names = i === fields.length - 1 ? WEEKDAYS : i === fields.length - 2 ? MONTHS : [];
      const seen = new Set(field.split(",").map((item) => numbered(item.toUpperCase(), names)));
      return names === WEEKDAYS && seen.has("0-7") ? "*" : [...seen].join(",");
    })
    .join(" ");
}

function numbered(item: string, names: readonly string[]): string {
  if (names === WEEKDAYS && item === "7") return "0";
  const place = names.indexOf(item);
  return place > 0 || (place === 0 && item !== "") ? String(place) : item;
}
