/** What the fields of a cron expression may be, for whoever has written one that is not read. */

const FIELDS = [
  ["second", "0 to 59"],
  ["minute", "0 to 59"],
  ["hour", "0 to 23"],
  ["day", "1 to 31, L (the last), 15W (the weekday nearest to the 15th)"],
  ["month", "1 to 12, JAN to DEC"],
  ["weekday", "0 to 7, SUN to SAT, MON#2 (the second), FRI#L (the last)"],
] as const;

/**
 * Says which field is wrong, and what it may be.
 * @param fields 5 or 6 of them
 * @param isRead whether an expression can be read
 */
export function fieldProblem(fields: readonly string[], isRead: (expression: string) => boolean): string {
  for (const [i, field] of fields.entries()) {
    const alone = fields.map((_, j) => (j === i ? field : "*")).join(" ");
    const [name, values] = FIELDS[i + FIELDS.length - fields.length] ?? ["field", ""];
    if (isRead(alone)) continue;
    return `the ${name} is '${field}', and may be ${values}, in ranges (a-b), steps (*/n, a-b/n) and lists (a,b)${hintAt(field)}`;
  }
  return "its fields do not go together";
}

function hintAt(field: string): string {
  if (/(^|,)\d*\/\d/.test(field)) return "; a step stands behind * or a range";
  if (/\w-\w/.test(field)) return "; a range goes upwards, within the field";
  return "";
}
