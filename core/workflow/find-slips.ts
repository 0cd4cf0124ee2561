/**
 * What looks like a reference in a payload that is sent, and is none: an object whose only field begins with `$`, or one
 * that has a reference's name beside other fields. Taken for data it would reach a handler that expects a result. Pure.
 */
import type { FieldError } from "../errors.ts";
import { escapePointer } from "../json.ts";
import { isRefKind, REF_KINDS, refOf } from "./refs.ts";

const AS_DATA = '{"$literal": …} around the object makes data of it';

/**
 * One after the other, as a body may have half a million of them and a hundred are told. What is literal is not looked into.
 * @param pointer JSON Pointer to the value
 */
export function* findSlips(value: unknown, pointer: string): Generator<FieldError> {
  if (typeof value !== "object" || value === null) return;
  const isList = Array.isArray(value);
  if (!isList && refOf(value)) return;
  if (!isList)
    for (const { name, detail } of slipsOf(Object.keys(value)))
      yield { pointer: `${pointer}/${escapePointer(name)}`, detail: `${detail}; ${AS_DATA}` };
  for (const [key, part] of Object.entries(value)) yield* findSlips(part, `${pointer}/${escapePointer(key)}`);
}

/** Of an object that is no reference, by its fields. */
function slipsOf(names: readonly string[]): { readonly name: string; readonly detail: string }[] {
  const [name = "", ...others] = names;
  if (others.length > 0)
    return names.filter(isRefKind).map((kind) => ({ name: kind, detail: "is a reference only where it stands alone" }));
  if (!name.startsWith("$")) return [];
  const meant = nearestKind(name);
  const detail =
    meant === null ? `is no reference, as ${REF_KINDS.join(", ")} are` : `is no reference (${meant} is meant, perhaps)`;
  return [{ name, detail }];
}

/** Longer ones are too far from all. */
const LONGEST = 12;

/** The reference's name that a third of the letters, or fewer, written otherwise would make; null: none. */
function nearestKind(name: string): string | null {
  if (name.length > LONGEST) return null;
  const most = Math.max(1, Math.floor((name.length - 1) / 3));
  const near = REF_KINDS.map((kind) => ({ kind, far: distance(name.toLowerCase(), kind) }));
  near.sort((a, b) => a.far - b.far);
  const [first] = near;
  return first && first.far <= most ? first.kind : null;
}

/** How many letters must be added, taken away or changed to make one text of the other (Levenshtein). */
function distance(from: string, to: string): number {
  let above = Array.from({ length: to.length + 1 }, (_, i) => i);
  for (const [i, letter] of [...from].entries()) {
    const row = [i + 1];
    for (const [j, other] of [...to].entries()) {
      const changed = (above[j] ?? 0) + (letter === other ? 0 : 1);
      row.push(Math.min(changed, (above[j + 1] ?? 0) + 1, (row[j] ?? 0) + 1));
    }
    above = row;
  }
  return above.at(-1) ?? 0;
}
