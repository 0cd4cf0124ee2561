/**
 * A payload with what it refers to. Results that were told stand in the run's rows; larger ones are read from their tasks,
 * by the way that the door reads, and until they can be read the node waits.
 */
import { exceedsBytes, MAX_PAYLOAD_BYTES } from "../../../core/bytes.ts";
import type { ErrorCode } from "../../../core/errors.ts";
import { Problem } from "../../../core/errors.ts";
import { checkPayload } from "../../../core/make-task.ts";
import type { JoinResult, NodeTask, RunEnd } from "../../../core/schema/workflow-rpc.ts";
import { endOf, failedOf } from "../../../core/workflow/decide.ts";
import {
  fillRefs,
  findRefs,
  type NodeName,
  parseNodeName,
  type Ref,
  replaceRefs,
  valueAt,
} from "../../../core/workflow/refs.ts";
import { findTask } from "../../../reads/find-tasks.ts";
import { keptResult, type RunNode, specOf } from "../node-rows.ts";
import type { Run, RunMemory } from "../run.ts";
import { taskIdOf } from "../task-place.ts";

/** What is joined may be read whole up to so many bytes: four times what a payload may be. */
const MAX_JOINED_BYTES = 4 * MAX_PAYLOAD_BYTES;

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
  throw new Unfillable(first ? `${checked.detail} ${first.pointer}: ${first.detail}` : checked.detail);
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

/** @param most characters of JSON text that may be filled in @throws as {@link fillPayload} */
export async function fillValue(
  run: Run,
  memory: RunMemory,
  value: unknown,
  end: RunEnd | null,
  most: number,
): Promise<unknown> {
  const results = new Map<string, unknown>();
  for (const ref of findRefs(value)) {
    const name = ref.kind === "$result" ? parseNodeName(ref.told) : null;
    if (!name || results.has(String(ref.told))) continue;
    results.set(String(ref.told), await partOf(run, memory, nodeOf(memory, name.key), name));
  }
  const fits = bounded(most);
  return fillRefs(value, (ref) => fits(fillOne(ref, run, memory, results, end)));
}

/** Before it is made into one text: ten thousand references to a result of 64 KiB are more than any object holds. */
function bounded(most: number): <T>(filled: T) => T {
  let chars = 0;
  return (filled) => {
    chars += JSON.stringify(filled).length;
    if (chars > most) throw new Unfillable(`what is filled in is more than ${most} characters of JSON`);
    return filled;
  };
}

/** The same with a map's item filled in, and all else as it stands. @throws Unfillable */
export function fillItem(value: unknown, { item, index }: MapItem): unknown {
  const fits = bounded(MAX_PAYLOAD_BYTES);
  return replaceRefs(value, (ref) => {
    if (ref.kind === "$index") return index;
    if (ref.kind !== "$item") return { [ref.kind]: ref.told };
    const found = fits(present(valueAt(item, String(ref.told)), `$item ${String(ref.told)}`));
    // An item is data, whatever it looks like.
    return findRefs(found).length === 0 ? found : { $literal: found };
  });
}

function fillOne(
  { kind, told }: Omit<Ref, "pointer">,
  run: Run,
  memory: RunMemory,
  results: ReadonlyMap<string, unknown>,
  end: RunEnd | null,
): unknown {
  if (kind === "$run") return runField(run, memory, told, end);
  const name = parseNodeName(told);
  if (name === null) throw new Unfillable(`${kind} names no node`);
  const node = nodeOf(memory, name.key);
  if (kind === "$error")
    return node.code === null
      ? null
      : present(valueAt({ code: node.code, message: node.message }, name.pointer), String(told));
  const result = results.get(String(told));
  // What did not succeed gives nothing, whatever part of it is asked for.
  return !hasSucceeded(node) && node.kind !== "join" ? null : present(result, String(told));
}

function runField(run: Run, { head, nodes }: RunMemory, told: unknown, end: RunEnd | null): unknown {
  if (told === "id") return run.id;
  if (told === "status") return end ?? endOf(nodes, head.stop) ?? head.status;
  return failedOf(nodes).flatMap((i) => nodes[i]?.key ?? []);
}

function present(value: unknown, name: string): unknown {
  if (value === undefined) throw new Unfillable(`there is nothing at ${name}`);
  return value;
}

function nodeOf({ nodes, byKey }: RunMemory, key: string): RunNode {
  const node = nodes[byKey.get(key) ?? -1];
  if (!node) throw new Unfillable(`there is no node ${key}`);
  return node;
}

/**
 * The part of a node's result that is named; undefined: there is none. Of what is joined only that is read which is meant:
 * a run may hold far more than an object.
 */
async function partOf(run: Run, memory: RunMemory, node: RunNode, { pointer }: NodeName): Promise<unknown> {
  // What did not succeed gives nothing, whatever part of it is asked for.
  if (node.kind !== "join" && !hasSucceeded(node)) return null;
  const [, first, ...rest] = pointer.split("/");
  if (node.kind !== "join" || first === undefined) return valueAt(await resultOf(run, memory, node), pointer);
  const { parents, of } = joinedBy(run, memory, node);
  const named = of === "only" ? parents[0] : parents.find((parent, i) => nameOf(parent, of, i) === first);
  if (!named) return undefined;
  const below = of === "only" ? pointer : rest.map((segment) => `/${segment}`).join("");
  return await partOf(run, memory, named, { key: named.key, pointer: below });
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

/** null: it did not succeed. @throws as {@link fillPayload} */
export async function resultOf(run: Run, memory: RunMemory, node: RunNode): Promise<unknown> {
  if (node.kind === "join") return await joinedResult(run, memory, node);
  if (!hasSucceeded(node)) return null;
  const kept = keptResult(run.sql, node);
  if (kept !== null) return JSON.parse(kept) as unknown;
  const task = taskIdOf(node);
  if (task === null) return null;
  try {
    const { record } = await findTask(run, run.tenant, task, { texts: true });
    if (record.result !== null) return JSON.parse(record.result) as unknown;
  } catch (error) {
    if (!(error instanceof Problem) || !GONE.has(error.code)) throw error;
  }
  throw new Unfillable(`the result of ${node.key} is kept no longer`);
}

const GONE: ReadonlySet<ErrorCode> = new Set([
  "task-unknown",
  "task-expired-from-history",
  "task-deleted",
  "queue-unknown",
]);

async function joinedResult(run: Run, memory: RunMemory, node: RunNode): Promise<unknown> {
  const { parents, of } = joinedBy(run, memory, node);
  const results: unknown[] = [];
  let bytes = 0;
  for (const parent of parents) {
    const result = await resultOf(run, memory, parent);
    bytes += JSON.stringify(result).length;
    if (bytes > MAX_JOINED_BYTES)
      throw new Unfillable(`the results of ${node.key} are over ${MAX_JOINED_BYTES} bytes together: name one of them`);
    results.push(result);
  }
  if (of === "list") return results;
  if (of === "only") return results[0] ?? null;
  return Object.fromEntries(parents.map((parent, i) => [nameOf(parent, "object", i), results[i]]));
}
