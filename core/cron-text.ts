/** A cron expression in words, for people: "At 09:00, Monday through Friday". What fires is core/cron.ts's affair. */
import cronstrue from "cronstrue";

/** null: there are no words for it (croner's `+`, `15W` beside others), or they would be wrong. */
export function cronText(expression: string): string | null {
  // cronstrue reads `+` as a part of the weekday, and has "the second Monday and Wednesday" for MON#2,WED.
  if (expression.includes("+") || /#.*,|,.*#/.test(expression)) return null;
  try {
    return cronstrue.toString(onceEach(expression), { use24HourTimeFormat: true, throwExceptionOnParseError: true });
  } catch {
    return null;
  }
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
