/**
 * A handler's answer as JSON text. What JSON would silently drop or change (a function, a Map, a forgotten promise, NaN)
 * is refused with its place named: a task that SUCCEEDED has the result that its handler returned.
 */
import { exceedsBytes, MAX_RESULT_BYTES } from "../core/bytes.ts";
import type { EndCode } from "../core/errors.ts";
import { escapePointer, findJsonProblem, type JsonFault, MAX_JSON_DEPTH } from "../core/json.ts";

export type EncodedResult =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly code: EndCode; readonly message: string };

const FAULTS: Record<JsonFault, string> = {
  "too-deep": `nested deeper than ${MAX_JSON_DEPTH} levels, or refers to itself`,
  "lone-surrogate": "text with a lone surrogate",
  "unsafe-number": "a number that is not finite or beyond safe integers (return it as a string)",
};

/**
 * JSON text of `value`; undefined is null, as for a function that returns nothing. At most 1 MiB of UTF-8.
 * @param name what it is called where it is refused
 */
export function encodeResult(value: unknown, name = "the result"): EncodedResult {
  if (value === undefined || value === null) return { ok: true, text: "null" };
  try {
    const unfit = findUnfit(value, "", 0);
    if (unfit) return refuse(name, unfit);
    const text = JSON.stringify(value);
    if (exceedsBytes(text, MAX_RESULT_BYTES))
      return {
        ok: false,
        code: "result-too-large",
        message: `${name} is larger than ${MAX_RESULT_BYTES} bytes of JSON`,
      };
    return { ok: true, text };
  } catch (error) {
    return { ok: false, code: "handler-error", message: `${name} could not be made JSON: ${String(error)}` };
  }
}

function refuse(name: string, { pointer, what }: Unfit): EncodedResult {
  const place = pointer === "" ? name : `${name} at ${pointer}`;
  return { ok: false, code: "handler-error", message: `${place} is not JSON: ${what}` };
}

interface Unfit {
  readonly pointer: string;
  readonly what: string;
}

function findUnfit(value: unknown, pointer: string, depth: number): Unfit | null {
  switch (typeof value) {
    case "string":
    case "number": {
      const problem = findJsonProblem(value);
      return problem && { pointer, what: FAULTS[problem.fault] };
    }
    case "bigint":
      return { pointer, what: "a BigInt (return it as a string)" };
    case "function":
    case "symbol":
      return { pointer, what: `a ${typeof value}` };
    case "object":
      return value === null ? null : findUnfitWithin(value, pointer, depth);
    default:
      return null;
  }
}

function findUnfitWithin(value: object, pointer: string, depth: number): Unfit | null {
  if (depth >= MAX_JSON_DEPTH) return { pointer, what: FAULTS["too-deep"] };
  if ("toJSON" in value && typeof value.toJSON === "function") {
    const problem = findJsonProblem(value.toJSON(), "", depth);
    return problem && { pointer: pointer + problem.pointer, what: FAULTS[problem.fault] };
  }
  const exotic = nameExotic(value);
  if (exotic !== null) return { pointer, what: exotic };
  for (const [key, child] of Object.entries(value)) {
    const found = key.isWellFormed()
      ? findUnfit(child, "", depth + 1)
      : { pointer: "", what: FAULTS["lone-surrogate"] };
    // The pointer is only spelled out on the way to a fault, as in findJsonProblem.
    if (found) return { what: found.what, pointer: `${pointer}/${escapePointer(key)}${found.pointer}` };
  }
  return null;
}

/** What JSON.stringify would make `{}` or a list of bytes of, by name; null for arrays, plain objects and a user's own classes. */
function nameExotic(value: object): string | null {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || Array.isArray(value) || prototype === null) return null;
  if (value instanceof Promise) return "a Promise (an await is missing)";
  if (value instanceof Error) return "an Error (throw it instead)";
  if (value instanceof Map || value instanceof Set || value instanceof WeakMap || value instanceof WeakSet)
    return `a ${value.constructor.name}`;
  if (value instanceof RegExp || value instanceof ArrayBuffer || ArrayBuffer.isView(value))
    return `a ${value.constructor.name}`;
  if (value instanceof Response || value instanceof Request || value instanceof ReadableStream)
    return `a ${value.constructor.name} (read it first)`;
  return null;
}
