/** A cron expression in words, for people: "At 09:00, Monday through Friday". What fires is core/cron.ts's affair. */
import cronstrue from "cronstrue";

/** null: there are no words for it (croner's `+`, `15W` beside others), or they would be wrong. */
export function cronText(expression: string): string | null {
  // cronstrue reads `+` as a part of the weekday.
  if (expression.includes("+")) return null;
  try {
    return cronstrue.toString(expression, { use24HourTimeFormat: true, throwExceptionOnParseError: true });
  } catch {
    return null;
  }
}
