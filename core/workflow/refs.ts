/**
 * References in payloads of a workflow: an object with one field, `$result`, `$error`, `$item`, `$index`, `$run` or
 * `$literal`, stands for something that is known later. Every other object is data, but one that is sent and looks like a
 * reference that was misspelt is refused (find-slips.ts). Pure, and of parsed JSON.
 * A name is `key` or `key/pointer`, the pointer as in RFC 6901.
 */
import { escapePointer } from "../json.ts";

export const REF_KINDS = ["$result", "$error", "$item", "$index", "$run", "$literal"] as const;
export type RefKind = (typeof REF_KINDS)[number];
const kinds: ReadonlySet<string> = new Set(REF_KINDS);

export interface Ref {
  readonly kind: RefKind;
  /** What stands in it. */
  readonly told: unknown;
  /** JSON Pointer from the payload's root to the object that it is. */
  readonly pointer: string;
}

export function isRefKind(name: string): name is RefKind {
  return kinds.has(name);
}

/** The reference that a value is; null: it is data. */
export function refOf(value: object): { readonly kind: RefKind; readonly told: unknown } | null {
  const [name, ...others] = Object.keys(value);
  if (name === undefined || others.length > 0 || !isRefKind(name)) return null;
  return { kind: name, told: (value as Record<string, unknown>)[name] };
}

/** Every reference in a value, in the order in which they stand. What is literal is not looked into. */
export function findRefs(value: unknown, pointer = ""): Ref[] {
  if (typeof value !== "object" || value === null) return [];
  if (Array.isArray(value)) return value.flatMap((item, i) => findRefs(item, `${pointer}/${i}`));
  const ref = refOf(value);
  if (ref) return [{ ...ref, pointer }];
  return Object.entries(value).flatMap(([key, part]) => findRefs(part, `${pointer}/${escapePointer(key)}`));
}

/** The same value with each reference as `fill` has it; what is literal loses its wrapping. @throws what `fill` throws */
export function fillRefs(value: unknown, fill: (ref: Omit<Ref, "pointer">) => unknown): unknown {
  return replaceRefs(value, (ref) => (ref.kind === "$literal" ? ref.told : fill(ref)));
}

/** The same value with some references told otherwise; what is literal stays wrapped. */
export function mapRefs(value: unknown, change: (ref: Omit<Ref, "pointer">) => unknown): unknown {
  return replaceRefs(value, (ref) => ({ [ref.kind]: ref.kind === "$literal" ? ref.told : change(ref) }));
}

/** The same value with each reference replaced as told, what is literal too. */
export function replaceRefs(value: unknown, replace: (ref: Omit<Ref, "pointer">) => unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => replaceRefs(item, replace));
  const ref = refOf(value);
  if (ref) return replace(ref);
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, replaceRefs(part, replace)]));
}

export interface NodeName {
  readonly key: string;
  /** JSON Pointer into what the node gives; "": all of it. */
  readonly pointer: string;
}

/** Reads `key` or `key/pointer`; null for what is neither. */
export function parseNodeName(told: unknown): NodeName | null {
  if (typeof told !== "string" || told === "") return null;
  const slash = told.indexOf("/");
  if (slash === 0) return null;
  const name = slash === -1 ? { key: told, pointer: "" } : { key: told.slice(0, slash), pointer: told.slice(slash) };
  return isPointer(name.pointer) ? name : null;
}

/** Whether it is a JSON Pointer (RFC 6901): `~` stands there as `~0`, `/` within a name as `~1`. */
export function isPointer(text: string): boolean {
  return /^(\/([^~]|~[01])*)?$/.test(text);
}

/** The value that a JSON Pointer (RFC 6901) names; undefined where there is none. */
export function valueAt(root: unknown, pointer: string): unknown {
  let value = root;
  for (const segment of pointer.split("/").slice(1)) {
    const name = segment.replaceAll("~1", "/").replaceAll("~0", "~");
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
    if (Array.isArray(value) && !/^(0|[1-9]\d*)$/.test(name)) return undefined;
    value = (value as Record<string, unknown>)[name];
  }
  return value;
}
