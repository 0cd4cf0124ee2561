/**
 * A payload with what it refers to. Results that were told stand in the run's rows; larger ones are read from their tasks,
 * by the way that the door reads, and until they can be read the node waits.
 */
import { exceedsBytes, MAX_PAYLOAD_BYTES } from "../../core/bytes.ts";
import type { ErrorCode } from "../../core/errors.ts";
import { Problem } from "../../core/errors.ts";
import { taskId } from "../../core/ids.ts";
import { checkPayload } from "../../core/make-task.ts";
import type { NodeTask, RunEnd } from "../../core/schema/workflow-rpc.ts";
import { endOf, failedOf } from "../../core/workflow/decide.ts";
import { fillRefs, findRefs, parseNodeName, type Ref, valueAt } from "../../core/workflow/refs.ts";
import { findTask } from "../../reads/find-tasks.ts";
import { keptResult, type RunNode, specOf } from "./node-rows.ts";
import type { Run, RunMemory } from "./run.ts";

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
  const value = await fillValue(run, memory, JSON.parse(task.payload) as unknown, end);
  const type = run.ports.taskType(task.type);
  // Of another version than the one that it was written for, its handler's `upgrade` makes what fits.
  const checked = type && type.version === task.version ? checkPayload(value, type) : checkSize(value);
  if (typeof checked === "string") return checked;
  const [first] = checked.errors;
  throw new Unfillable(first ? `${checked.detail} ${first.pointer}: ${first.detail}` : checked.detail);
}

function checkSize(value: unknown) {
  const text = JSON.stringify(value);
  return exceedsBytes(text, MAX_PAYLOAD_BYTES) ? { detail: "The payload is too large.", errors: [] } : text;
}

/** @throws as {@link fillPayload} */
export async function fillValue(run: Run, memory: RunMemory, value: unknown, end: RunEnd | null): Promise<unknown> {
  const results = new Map<string, unknown>();
  for (const ref of findRefs(value)) {
    const name = ref.kind === "$result" ? parseNodeName(ref.told) : null;
    if (name && !results.has(name.key)) results.set(name.key, await resultOf(run, memory, nodeOf(memory, name.key)));
  }
  return fillRefs(value, (ref) => fillOne(ref, run, memory, results, end));
}

/** The same with a map's item filled in, and all else as it stands. @throws Unfillable */
export function fillItem(value: unknown, { item, index }: MapItem): unknown {
  return fillRefs(value, (ref) => {
    if (ref.kind === "$index") return index;
    if (ref.kind !== "$item") return { [ref.kind]: ref.told };
    return present(valueAt(item, String(ref.told)), `$item ${String(ref.told)}`);
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
  const result = results.get(name.key);
  // What did not succeed gives nothing, whatever part of it is asked for.
  return node.state !== "SUCCEEDED" && node.kind !== "join"
    ? null
    : present(valueAt(result, name.pointer), String(told));
}

function runField(run: Run, { head, nodes }: RunMemory, told: unknown, end: RunEnd | null): unknown {
  if (told === "id") return run.id;
  if (told === "status") return end ?? endOf(nodes, head.isCancelled) ?? head.status;
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

/** null: it did not succeed. @throws as {@link fillPayload} */
export async function resultOf(run: Run, memory: RunMemory, node: RunNode): Promise<unknown> {
  if (node.kind === "join") return await joinedResult(run, memory, node);
  if (node.state !== "SUCCEEDED") return null;
  const kept = keptResult(run.sql, node);
  if (kept !== null) return JSON.parse(kept) as unknown;
  if (!node.at || node.seq === null) return null;
  try {
    const { record } = await findTask(run, run.tenant, taskId(node.at, node.seq), { texts: true });
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
  const spec = specOf(run.sql, node);
  const parents = node.parents.flatMap((i) => memory.nodes[i] ?? []);
  const results: unknown[] = [];
  for (const parent of parents) results.push(await resultOf(run, memory, parent));
  if (spec.kind !== "join" || spec.of === "list") return results;
  if (spec.of === "only") return results[0] ?? null;
  // Within the node that it stands for: by the keys that they have there.
  return Object.fromEntries(parents.map(({ key }, i) => [key.slice(key.lastIndexOf(".") + 1), results[i]]));
}
