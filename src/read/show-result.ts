/** A finished task's result as it is answered. The stored text goes in as it is: up to a mebibyte that nobody parses. */
import type { TaskId } from "../../core/ids.ts";
import type { TaskRecord } from "../../core/task.ts";
import { publicError } from "../../core/task.ts";

export type ResultType = "object" | "array" | "string" | "number" | "boolean" | "null" | "error";

/** The kind of a JSON text, by its first character. */
export function resultTypeOf(text: string): ResultType {
  switch (text[0]) {
    case "{":
      return "object";
    case "[":
      return "array";
    case '"':
      return "string";
    case "t":
    case "f":
      return "boolean";
    case "n":
      return "null";
    default:
      return "number";
  }
}

/** JSON text of a TaskResult. @param record of a finished task */
export function resultText(id: TaskId, record: TaskRecord): string {
  const { status, result, error } = record;
  const attempts = record.attempts.length + record.attemptsDropped;
  if (status !== "SUCCEEDED")
    return JSON.stringify({
      id,
      status,
      ...(error !== null && { error: publicError(error) }),
      resultType: "error",
      attempts,
    });
  const text = result ?? "null";
  const rest = JSON.stringify({ resultType: resultTypeOf(text), attempts });
  return `${JSON.stringify({ id, status }).slice(0, -1)},"result":${text},${rest.slice(1)}`;
}
