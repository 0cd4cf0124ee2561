/** Turns what zod found into the `errors[]` of a problem: one entry a place, with a JSON Pointer to it. */
import type { z } from "zod";
import type { FieldError } from "./errors.ts";
import { escapePointer, pointerOf } from "./json.ts";
import "./tell-issue.ts";

/** How many faults one answer lists: enough to mend a body by, too few to make an answer of megabytes. */
export const MAX_ERRORS = 100;

type Issue = z.core.$ZodIssue;

/**
 * @param prefix JSON Pointer of the value that was parsed: "" for the body itself, "/tasks/3/payload" for a part of it
 * @returns at most {@link MAX_ERRORS} entries, in zod's order
 */
export function explainIssues(issues: readonly Issue[], prefix = ""): FieldError[] {
  const found = new Map<string, FieldError>();
  for (const issue of issues)
    for (const fault of explain(issue, prefix)) {
      // What is no list is not too long as well: the first fault of a place is the one to mend.
      if (!found.has(fault.pointer)) found.set(fault.pointer, fault);
      if (found.size === MAX_ERRORS) return [...found.values()];
    }
  return [...found.values()];
}

function explain(issue: Issue, prefix: string): FieldError[] {
  const pointer = prefix + pointerOf(issue.path);
  if (issue.code === "unrecognized_keys")
    return issue.keys.map((key) => ({
      pointer: `${pointer}/${escapePointer(key)}`,
      detail: "is not a field that is read here",
    }));
  return [{ pointer, detail: issue.message }];
}
