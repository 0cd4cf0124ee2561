/** A map becomes the tasks of its items, and joins them from then on. */
import { exceedsBytes, MAX_PAYLOAD_BYTES, MAX_RESULT_BYTES, utf8Bytes } from "../../../core/bytes.ts";
import type { NodeDefinition, NodeTask } from "../../../core/schema/workflow-rpc.ts";
import { findRefs } from "../../../core/workflow/refs.ts";
import { endCancelled, endNode } from "../end-node.ts";
import { type NodeSpec, type RunNode, saveNode, specOf } from "../node-rows.ts";
import type { Run, RunMemory } from "../run.ts";
import { addNodes, findExcess } from "./add-nodes.ts";
import { fillItem, fillValue, isRight, Unfillable } from "./fill.ts";

/** @throws where its list can't be read now */
export async function expandMap(run: Run, memory: RunMemory, node: RunNode): Promise<void> {
  const spec = specOf(run.sql, node);
  if (spec.kind !== "map") throw new Error(`node ${node.key} is no map`);
  if (memory.head.stop !== null) return run.change(memory, () => endCancelled(run, memory, node));
  try {
    const list = await fillValue(run, memory, JSON.parse(spec.over) as unknown, null, MAX_RESULT_BYTES);
    if (node.state !== "ready") return;
    if (!Array.isArray(list)) throw new Unfillable("what the map goes over is no list");
    const children = tasksOf(run, memory, node, spec, list);
    run.change(memory, () => {
      const added = typeof children === "string" ? [] : addNodes(run, memory, children);
      if (typeof children === "string") return end(run, memory, node, "workflow-too-large", children);
      node.kind = "join";
      node.state = "waiting";
      node.parents = added.map(({ i }) => i);
      node.isMap = true;
      saveNode(run.sql, node, { spec: { kind: "join", of: "list", was: "map" } });
    });
  } catch (error) {
    if (!(error instanceof Unfillable)) throw error;
    run.change(memory, () => end(run, memory, node, "payload-invalid", error.message));
  }
}

type MapSpec = Extract<NodeSpec, { kind: "map" }>;

/** Why they are too many, or too large, for a run; or they themselves. @throws Unfillable */
function tasksOf(
  run: Run,
  memory: RunMemory,
  node: RunNode,
  spec: MapSpec,
  list: readonly unknown[],
): NodeDefinition[] | string {
  const { onParentFailure } = node;
  const excess = (parents: readonly number[], bytes: number) => {
    // One edge a task is its map's, which has those no more that it had.
    const edges = list.length * (parents.length + 1) - node.parents.length;
    return findExcess(memory, { nodes: list.length, edges, bytes });
  };
  // Edges for whoever looks at the graph, where there is room: what the map waited for has ended.
  const parents = excess(node.parents, 0) === null ? node.parents : [];
  const makeTask = templateOf(run, spec.task);
  const makeUndo = spec.compensate && templateOf(run, spec.compensate);
  const children: NodeDefinition[] = [];
  let bytes = 0;
  let problem = excess(parents, bytes);
  for (const [index, item] of problem === null ? list.entries() : []) {
    const task = makeTask(item, index);
    const compensate = makeUndo?.(item, index);
    bytes += utf8Bytes(task.payload) + (compensate ? utf8Bytes(compensate.payload) : 0);
    problem = excess(parents, bytes);
    if (problem !== null) break;
    const key = `${node.key}.${index}`;
    children.push({ key, kind: "task", parents, onParentFailure, task, ...(compensate && { compensate }) });
  }
  return problem === null ? children : `its list has ${list.length} items, and ${problem}`;
}

/** What makes the task of an item; it throws Unfillable where that can be none. */
function templateOf(run: Run, task: NodeTask): (item: unknown, index: number) => NodeTask {
  const template = JSON.parse(task.payload) as unknown;
  return (item, index) => {
    const filled = fillItem(template, { item, index });
    const payload = JSON.stringify(filled);
    if (exceedsBytes(payload, MAX_PAYLOAD_BYTES))
      throw new Unfillable(`the payload of its task ${index} is over ${MAX_PAYLOAD_BYTES} bytes`);
    // One that does not fit its type ends by its release, which checks it, and without a run.
    return { ...task, payload, refers: findRefs(filled).length > 0 || !isRight(run, task, filled) };
  };
}

/** Inside a transaction. */
function end(
  run: Run,
  memory: RunMemory,
  node: RunNode,
  code: "payload-invalid" | "workflow-too-large",
  message: string,
): void {
  endNode(run, memory, node, { status: "FAILED", code, message, at: run.ports.now() });
}
