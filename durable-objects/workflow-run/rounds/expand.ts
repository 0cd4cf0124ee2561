/** Nodes that come to be while a run runs: a map's, one for each item, and what handlers spawned. */
import { exceedsBytes, MAX_PAYLOAD_BYTES, MAX_RESULT_BYTES, utf8Bytes } from "../../../core/bytes.ts";
import { DEFAULT_QUEUE, type QueueName } from "../../../core/ids.ts";
import { optionsText, priorityOf } from "../../../core/make-task.ts";
import { placementKey, placeTask } from "../../../core/placement.ts";
import { MAX_EDGES, MAX_NODES, MAX_RUN_BYTES } from "../../../core/schema/workflow.ts";
import type { NodeDefinition, NodeTask, SpawnedTask } from "../../../core/schema/workflow-rpc.ts";
import { findRefs } from "../../../core/workflow/refs.ts";
import { deadlineOf } from "../../../reads/ask.ts";
import { endNode, whyStopped } from "../end-node.ts";
import { forgetSpawned, insertNode, type RunNode, saveNode, spawnedOf, specOf } from "../node-rows.ts";
import { attempt, expandName, isFree } from "../reach.ts";
import type { Run, RunMemory } from "../run.ts";
import { fillItem, fillValue, isRight, Unfillable } from "./fill.ts";

/** @returns whether anything changed */
export async function expand(run: Run, memory: RunMemory, now: number): Promise<boolean> {
  let isChanged = false;
  for (const node of [...memory.nodes]) {
    const isMap = node.kind === "map" && node.state === "ready";
    if (!(isMap || node.state === "spawning") || !isFree(run, expandName(node), now)) continue;
    const work = isMap ? () => expandMap(run, memory, node) : () => expandSpawned(run, memory, node);
    if (await attempt(run, expandName(node), work)) isChanged = true;
  }
  return isChanged;
}

async function expandMap(run: Run, memory: RunMemory, node: RunNode): Promise<void> {
  const spec = specOf(run.sql, node);
  if (spec.kind !== "map") throw new Error(`node ${node.key} is no map`);
  try {
    if (memory.head.stop !== null) return end(run, memory, node, "cancelled", whyStopped(memory.head));
    const list = await fillValue(run, memory, JSON.parse(spec.over) as unknown, null, MAX_RESULT_BYTES);
    if (!Array.isArray(list)) throw new Unfillable("what the map goes over is no list");
    const first = memory.nodes.length;
    const tooLarge = (why: string) => end(run, memory, node, "workflow-too-large", why);
    if (first + list.length > MAX_NODES)
      return tooLarge(`${list.length} items, and a run has ${MAX_NODES} nodes at most`);
    const template = JSON.parse(spec.task.payload) as unknown;
    // Edges for whoever looks at the graph: what the map waited for has ended.
    const { onParentFailure } = node;
    const parents = node.parents.length * list.length > MAX_EDGES ? [] : node.parents;
    const children: NodeDefinition[] = [];
    let { bytes } = memory;
    for (const [index, item] of list.entries()) {
      const filled = fillItem(template, { item, index });
      const payload = JSON.stringify(filled);
      if (exceedsBytes(payload, MAX_PAYLOAD_BYTES))
        throw new Unfillable(`the payload of its task ${index} is over ${MAX_PAYLOAD_BYTES} bytes`);
      bytes += utf8Bytes(payload);
      if (bytes > MAX_RUN_BYTES) return tooLarge(`with its tasks the run has more than ${MAX_RUN_BYTES} bytes`);
      // One that does not fit its type ends by its release, which checks it, and without a run.
      const refers = findRefs(filled).length > 0 || !isRight(run, spec.task, filled);
      const task = { ...spec.task, payload, refers };
      children.push({ key: `${node.key}.${index}`, kind: "task", parents, onParentFailure, task });
    }
    run.change(memory, () => {
      append(run, memory, children);
      node.kind = "join";
      node.state = "waiting";
      node.parents = children.map((_, index) => first + index);
      node.isMap = true;
      saveNode(run.sql, node, { spec: { kind: "join", of: "list", was: "map" } });
    });
  } catch (error) {
    if (!(error instanceof Unfillable)) throw error;
    end(run, memory, node, "payload-invalid", error.message);
  }
}

async function expandSpawned(run: Run, memory: RunMemory, node: RunNode): Promise<void> {
  const spawned = JSON.parse(spawnedOf(run.sql, node) ?? "[]") as readonly SpawnedTask[];
  const first = memory.nodes.length;
  let problem: Problem | null = null;
  if (first + spawned.length > MAX_NODES)
    problem = ["workflow-too-large", `it spawned ${spawned.length} tasks, and a run has ${MAX_NODES} nodes at most`];
  const places = new Map(spawned.map(({ key }, index) => [key, first + index]));
  const children: NodeDefinition[] = [];
  for (const one of spawned) {
    if (problem !== null) break;
    const parents = (one.dependsOn ?? []).flatMap((key) => places.get(key) ?? []);
    const task = await taskOf(run, node, one);
    if (task === null) problem = ["payload-invalid", `it spawned ${one.key}, of a type that nobody knows: ${one.type}`];
    if (task === null) break;
    children.push({
      key: `${node.key}.${one.key}`,
      kind: "task",
      parents: [node.i, ...parents],
      onParentFailure: "fail",
      task,
    });
  }
  run.change(memory, () => {
    const added = problem === null ? children.map((_, index) => first + index) : [];
    if (problem === null) append(run, memory, children, node.compensates);
    // Whoever waits for it waits for what it spawned too; nobody of them has begun, because it had not ended for them.
    for (const other of memory.nodes.slice(0, first)) {
      if (other.state !== "waiting" || !other.parents.includes(node.i)) continue;
      const spec = specOf(run.sql, other);
      const given = other.parents.length;
      other.parents = [...other.parents, ...added];
      // What it joins stays what it was: the results of what its parents spawned are no part of its own.
      saveNode(run.sql, other, spec.kind === "join" ? { spec: { given, ...spec } } : {});
    }
    node.state = problem === null ? "SUCCEEDED" : "FAILED";
    if (problem !== null) [node.code, node.message] = problem;
    saveNode(run.sql, node);
    forgetSpawned(run.sql, node);
  });
}

type Problem = readonly [code: "workflow-too-large" | "payload-invalid", message: string];

/** Where its type goes, as at the door; null: nobody knows the type. What else it names was checked where it was spawned. */
async function taskOf(
  run: Run,
  spawner: RunNode,
  { type, payload, queue, priority }: SpawnedTask,
): Promise<NodeTask | null> {
  const deadline = deadlineOf(run.ports);
  const handled = run.ports.taskType(type);
  const route = await run.known.route(type, handled !== null, deadline);
  if (handled === null && !route.declared) return null;
  const name = (queue as QueueName | undefined) ?? route.route ?? spawner.at?.queue ?? DEFAULT_QUEUE;
  const entry = await run.known.queue(name, true, deadline);
  return {
    queue: name,
    shard: entry ? placeTask(entry.settings, placementKey({ run: run.id }), 0) : 0,
    type,
    version: handled?.version ?? 1,
    priority: priorityOf(priority),
    payload: JSON.stringify(payload),
    refers: false,
    delayMs: null,
    runAt: null,
    ttlMs: null,
    options: handled ? handled.optionsText : optionsText({}),
  };
}

/** Inside a transaction. */
function append(
  run: Run,
  memory: RunMemory,
  definitions: readonly NodeDefinition[],
  compensates: string | null = null,
): void {
  for (const definition of definitions) {
    const node = insertNode(run.sql, memory.nodes.length, definition, compensates);
    memory.nodes.push(node);
    memory.bytes += node.chars;
    memory.byKey.set(node.key, node.i);
  }
}

function end(
  run: Run,
  memory: RunMemory,
  node: RunNode,
  code: "cancelled" | "payload-invalid" | "workflow-too-large",
  message: string,
): void {
  run.change(memory, () => {
    const status = code === "cancelled" ? "CANCELLED" : "FAILED";
    endNode(run, memory, node, { status, code, message, at: run.ports.now() });
  });
}
