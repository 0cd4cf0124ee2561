/**
 * What JSON a payload or a result may be. It is kept and moved as text, so that no depth and no run of quotes in one
 * task can fail its neighbours; what SQLite or another reader would not give back unchanged is refused at the door.
 */
export const MAX_JSON_DEPTH = 100;

export type JsonFault = "too-deep" | "lone-surrogate" | "unsafe-number";

export interface JsonProblem {
  readonly fault: JsonFault;
  /** JSON Pointer (RFC 6901) to the value, from the root that was checked. */
  readonly pointer: string;
}

/**
 * Finds the first value that would not survive: nested deeper than 100, a string or key with a lone surrogate, a number
 * beyond safe integers (2^53 - 1) or not finite. Null where all is well.
 */
export function findJsonProblem(value: unknown, pointer = "", depth = 0): JsonProblem | null {
  switch (typeof value) {
    case "string":
      return value.isWellFormed() ? null : { fault: "lone-surrogate", pointer };
    case "number":
      return !Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value))
        ? { fault: "unsafe-number", pointer }
        : null;
    case "object": {
      if (value === null) return null;
      if (depth >= MAX_JSON_DEPTH) return { fault: "too-deep", pointer };
      for (const key in value) {
        if (!key.isWellFormed()) return { fault: "lone-surrogate", pointer };
        const child = (value as Record<string, unknown>)[key];
        // The pointer is only spelled out on the way to a fault: most values are well, and most are leaves.
        const found = findJsonProblem(child, "", depth + 1);
        if (found) return { fault: found.fault, pointer: `${pointer}/${escapePointer(key)}${found.pointer}` };
      }
      return null;
    }
    default:
      return null;
  }
}

export function escapePointer(segment: string): string {
  return segment.replaceAll("~", "~0").replaceAll("/", "~1");
}

/** JSON Pointer of a path as zod gives it. */
export function pointerOf(path: readonly PropertyKey[]): string {
  return path.map((segment) => `/${escapePointer(String(segment))}`).join("");
}
