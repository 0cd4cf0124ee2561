/** Nodes are added to a run that runs, as many as a run may have. */
import { MAX_EDGES, MAX_NODES, MAX_RUN_BYTES } from "../../../core/schema/workflow.ts";
import type { NodeDefinition } from "../../../core/schema/workflow-rpc.ts";
import { insertNode, type RunNode } from "../node-rows.ts";
import type { Run, RunMemory } from "../run.ts";

export interface Addition {
  readonly nodes: number;
  readonly edges: number;
  /** Of payloads. */
  readonly bytes: number;
}

/** Why a run can't have so much more; null: it can. */
export function findExcess({ nodes, bytes }: RunMemory, more: Addition): string | null {
  if (nodes.length + more.nodes > MAX_NODES) return `with them the run has more than ${MAX_NODES} nodes`;
  const edges = nodes.reduce((sum, { parents }) => sum + parents.length, more.edges);
  if (edges > MAX_EDGES) return `with them the run has more than ${MAX_EDGES} dependencies`;
  return bytes + more.bytes > MAX_RUN_BYTES ? `with them the run has more than ${MAX_RUN_BYTES} bytes` : null;
}

/** Inside a transaction. @param compensates the node that they are a part of undoing; null: none */
export function addNodes(
  run: Run,
  memory: RunMemory,
  definitions: readonly NodeDefinition[],
  compensates: string | null = null,
): RunNode[] {
  return definitions.map((definition) => {
    const node = insertNode(run.sql, memory.nodes.length, definition, compensates);
    memory.nodes.push(node);
    memory.bytes += node.bytes;
    memory.byKey.set(node.key, node.i);
    return node;
  });
}
