/** What zod found, in the words of this service: a `detail` that reads on after the name of its field. */

import { z } from "zod";
import { countOf } from "./count-of.ts";

type Issue = Parameters<z.core.$ZodErrorMap>[0];

const KINDS: Readonly<Record<string, string>> = {
  string: "a string",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "an object",
  record: "an object",
};

/** For what a schema has no words of its own. */
export function tellIssue(issue: Issue): string {
  if (issue.input === undefined && issue.code !== "invalid_union") return "is required";
  switch (issue.code) {
    case "invalid_type":
      return `must be ${KINDS[issue.expected] ?? issue.expected}`;
    case "invalid_value":
      return `must be ${oneOf(issue.values)}`;
    case "too_big":
      return `must ${bound(issue.origin, issue.inclusive === false ? "less than" : "at most", issue.maximum)}`;
    case "too_small":
      return `must ${bound(issue.origin, issue.inclusive === false ? "more than" : "at least", issue.minimum)}`;
    case "invalid_format":
      return issue.pattern === undefined ? `is no ${issue.format}` : `must match ${issue.pattern}`;
    case "not_multiple_of":
      return `must be a multiple of ${issue.divisor}`;
    // A rule of the keys of a record is what its schema says of them.
    case "invalid_key":
      return issue.issues[0]?.message ?? "is no name that can stand here";
    case "invalid_union":
      return Array.isArray(issue.options) ? `must be ${oneOf(issue.options)}` : "is none of the forms that are taken";
    default:
      return "is not what can stand here";
  }
}

function oneOf(values: readonly unknown[]): string {
  const told = values.map((value) => (typeof value === "string" ? `"${value}"` : String(value))).join(", ");
  return values.length === 1 ? told : `one of ${told}`;
}

function bound(origin: string, how: string, many: number | bigint): string {
  if (origin === "string") return `have ${how} ${countOf(many, "character")}`;
  if (origin === "array" || origin === "set") return `have ${how} ${countOf(many, "entry", "entries")}`;
  return `be ${how} ${many}`;
}

z.config({ localeError: tellIssue });
