/**
 * A payload with what it refers to. Results that were told stand in the run's rows; larger ones are read from their tasks,
 * by the way that the door reads, and until they can be read the node waits.
 */
import { exceedsBytes, MAX_PAYLOAD_BYTES } from "../../../core/bytes.ts";
import type { FieldError } from "../../../core/errors.ts";
import { Problem } from "../../../core/errors.ts";
import { checkPayload } from "../../../core/make-task.ts";
import type { JoinResult, NodeTask, RunEnd } from "../../../core/schema/workflow-rpc.ts";
import { endOf, failedOf } from "../../../core/workflow/decide.ts";
import { fillRefs, findRefs, parseNodeName, type Ref, replaceRefs, valueAt } from "../../../core/workflow/refs.ts";
import { findTask, isNowhere } from "../../../reads/find-tasks.ts";
import { keptResult, type RunNode, specOf } from "../node-rows.ts";
import type { Run, RunMemory } from "../run.ts";
import { taskIdOf } from "../task-place.ts";

/** What is joined may be read whole up to so many characters of JSON text: four times what a payload may be. */
const MAX_JOINED_CHARS = 4 * MAX_PAYLOAD_BYTES;

/** It can never be filled in, or does not fit then. */
export class Unfillable extends Error {
  override readonly name = "Unfillable";
}

/** What an item of a map's list is. */
export interface MapItem {
  readonly item: unknown;
  readonly index: number;
}

/**
 * JSON text of a task's payload, complete and checked by its type.
 * @throws Unfillable for ever; anything else: not now
 */
export async function fillPayload(run: Run, memory: RunMemory, task: NodeTask, end: RunEnd | null): Promise<string> {
  const value = await fillValue(run, memory, JSON.parse(task.payload) as unknown, end, MAX_PAYLOAD_BYTES);
  const type = run.ports.taskType(task.type);
  // Of another version than the one that it was written for, its handler's `upgrade` makes what fits.
  const checked = type && type.version === task.version ? checkPayload(value, type) : checkSize(value);
  if (typeof checked === "string") return checked;
  const [first] = checked.errors;
  throw new Unfillable(first ? `${checked.detail} ${placeOf(first)} ${first.detail}.` : checked.detail);
}

function placeOf({ pointer }: FieldError): string {
  return pointer === "" ? "It" : `${pointer}:`;
}

/** Whether a payload that refers to nothing is one that its task may have. */
export function isRight(run: Run, task: NodeTask, value: unknown): boolean {
  const type = run.ports.taskType(task.type);
  return !type || type.version !== task.version || typeof checkPayload(value, type) === "string";
}

function checkSize(value: unknown) {
  const text = JSON.stringify(value);
  return exceedsBytes(text, MAX_PAYLOAD_BYTES) ? { detail: "The payload is too large.", errors: [] } : text;
}

/**
 * Counted while it is read, and kept as text until all of it is there: one payload may name the results of a thousand
 * nodes, of 1 MiB each, and the object that fills it in has 128 MB for all that it does.
 * @param most characters of JSON text that may be filled in @throws as {@link fillPayload}
 */
export async function fillValue(
  run: Run,
  memory: RunMemory,
  value: unknown,
  end: RunEnd | null,
  most: number,
): Promise<unknown> {
  const refs = findRefs(value).filter(({ kind }) => kind === "$result");
  const results = refs.length === 0 ? new Map() : await run.filling.within(() => readResults(run, memory, refs, most));
  const room = new Room(most);
  return fillRefs(value, (ref) => {
    const text = ref.kind === "$result" ? results.get(ref.told) : undefined;
    if (text === undefined) return room.take(fillOne(ref, run, memory, end));
    room.use(text.length);
    return JSON.parse(text) as unknown;
  });
}

/** JSON text of each result that is named, by what names it. */
async function readResults(
  run: Run,
  memory: RunMemory,
  refs: readonly Ref[],
  most: number,
): Promise<Map<unknown, string>> {
  const room = new Room(most);
  const results = new Map<unknown, string>();
  for (const { told } of refs) {
    const name = parseNodeName(told);
    if (name === null) throw new Unfillable("$result names no node");
    if (results.has(told)) continue;
    const text = await partText(run, memory, nodeAt(memory, name.key), name.pointer, room.left);
    if (text === undefined) throw nothingAt(String(told));
    room.use(text.length);
    results.set(told, text);
  }
  return results;
}

/** Before it is made into one text: ten thousand references to a result of 64 KiB are more than any object holds. */
class Room {
  readonly #most: number;
  left: number;

  /** @param most characters of JSON text */
  constructor(most: number) {
    this.#most = most;
    this.left = most;
  }

  /** @throws Unfillable */
  use(chars: number): void {
    this.left -= chars;
    if (this.left < 0) throw new Unfillable(`what is filled in is more than ${this.#most} characters of JSON`);
  }

  take<T>(filled: T): T {
    this.use(JSON.stringify(filled).length);
    return filled;
  }
}

/** The same with a map's item filled in, and all else as it stands. @throws Unfillable */
export function fillItem(value: unknown, { item, index }: MapItem): unknown {
  const room = new Room(MAX_PAYLOAD_BYTES);
  return replaceRefs(value, (ref) => {
    if (ref.kind === "$index") return index;
    if (ref.kind !== "$item") return { [ref.kind]: ref.told };
    const found = room.take(present(valueAt(item, String(ref.told)), `$item ${String(ref.told)}`));
    // An item is data, whatever it looks like.
    return findRefs(found).length === 0 ? found : { $literal: found };
  });
}

function fillOne({ kind, told }: Omit<Ref, "pointer">, run: Run, memory: RunMemory, end: RunEnd | null): unknown {
  if (kind === "$run") return runField(run, memory, told, end);
  const name = parseNodeName(told);
  if (kind !== "$error" || name === null) throw new Unfillable(`${kind} names nothing here`);
  const { code, message } = nodeAt(memory, name.key);
  return code === null ? null : present(valueAt({ code, message }, name.pointer), String(told));
}

function runField(run: Run, { head, nodes }: RunMemory, told: unknown, end: RunEnd | null): unknown {
  if (told === "id") return run.id;
  if (told === "status") return end ?? endOf(nodes, head.stop) ?? head.status;
  return failedOf(nodes).flatMap((i) => nodes[i]?.key ?? []);
}

function present(value: unknown, name: string): unknown {
  if (value === undefined) throw nothingAt(name);
  return value;
}

function nothingAt(name: string): Unfillable {
  return new Unfillable(`there is nothing at ${name}`);
}

function nodeAt({ nodes, byKey }: RunMemory, key: string): RunNode {
  const node = nodes[byKey.get(key) ?? -1];
  if (!node) throw new Unfillable(`there is no node ${key}`);
  return node;
}

/**
 * JSON text of the part of a node's result that is named; undefined: there is none. Of what is joined only that is read
 * which is meant: a run may hold far more than an object.
 */
async function partText(
  run: Run,
  memory: RunMemory,
  node: RunNode,
  pointer: string,
  most: number,
): Promise<string | undefined> {
  // What did not succeed gives nothing, whatever part of it is asked for.
  if (node.kind !== "join" && !hasSucceeded(node)) return "null";
  const [, first, ...rest] = pointer.split("/");
  if (first === undefined) return await resultText(run, memory, node, most);
  if (node.kind !== "join") {
    const part = valueAt(JSON.parse(await resultText(run, memory, node)), pointer);
    return part === undefined ? undefined : JSON.stringify(part);
  }
  const { parents, of } = joinedBy(run, memory, node);
  const named = of === "only" ? parents[0] : parents.find((parent, i) => nameOf(parent, of, i) === first);
  if (!named) return undefined;
  const below = of === "only" ? pointer : rest.map((segment) => `/${segment}`).join("");
  return await partText(run, memory, named, below, most);
}

/** Whose results a join's is made of, and how. */
function joinedBy(run: Run, { nodes }: RunMemory, node: RunNode): { parents: RunNode[]; of: JoinResult } {
  const spec = specOf(run.sql, node);
  if (spec.kind !== "join") throw new Error(`node ${node.key} joins nothing`);
  return { parents: node.parents.slice(0, spec.given).flatMap((i) => nodes[i] ?? []), of: spec.of };
}

/** What a parent is called in the result that joins it, as a JSON Pointer has it. */
function nameOf({ key }: RunNode, of: JoinResult, index: number): string {
  // Within the node that it stands for: by the key that it has there.
  return of === "object" ? key.slice(key.lastIndexOf(".") + 1) : String(index);
}

/** Whether it, or its task, SUCCEEDED. */
export function hasSucceeded({ endedAt, code }: RunNode): boolean {
  return endedAt !== null && code === null;
}

/**
 * JSON text of what a node gives; `null` where it did not succeed.
 * @param most characters that what is joined may have, where it is not to be as much as may be read whole
 * @throws as {@link fillPayload}
 */
export async function resultText(run: Run, memory: RunMemory, node: RunNode, most = MAX_JOINED_CHARS): Promise<string> {
  if (node.kind === "join") return await joinedText(run, memory, node, Math.min(most, MAX_JOINED_CHARS));
  if (!hasSucceeded(node)) return "null";
  const kept = keptResult(run.sql, node);
  if (kept !== null) return kept;
  const task = taskIdOf(node);
  if (task === null) return "null";
  try {
    const { record } = await findTask(run, run.tenant, task, { texts: true });
    if (record.result !== null) return record.result;
  } catch (error) {
    if (!(error instanceof Problem) || !isNowhere(error.code)) throw error;
  }
  throw new Unfillable(`the result of ${node.key} is kept no longer`);
}

async function joinedText(run: Run, memory: RunMemory, node: RunNode, most: number): Promise<string> {
  const { parents, of } = joinedBy(run, memory, node);
  const texts: string[] = [];
  let left = most;
  for (const parent of of === "only" ? parents.slice(0, 1) : parents) {
    const text = await resultText(run, memory, parent, left);
    left -= text.length;
    if (left < 0) throw new Unfillable(`the results of ${node.key} are too large together: name one of them`);
    texts.push(text);
  }
  if (of === "only") return texts[0] ?? "null";
  if (of === "list") return `[${texts.join(",")}]`;
  return `{${parents.map((parent, i) => `${JSON.stringify(nameOf(parent, "object", i))}:${texts[i]}`).join(",")}}`;
}
