/** What joins give is what their parents gave: neither more, where these spawned, nor less. */
import type { RunId } from "../../../core/ids.ts";
import { readNode } from "../../../durable-objects/workflow-run/asked/read-node.ts";
import { keptResult, type RunNode, specOf } from "../../../durable-objects/workflow-run/node-rows.ts";
import { must } from "../violation.ts";
import type { WorkflowWorld } from "./workflow-world.ts";

/** The keys that this world's tasks spawn: what a join only waits for. */
const SPAWNED = /\.[st]$/;

/** Of joins whose parents' results the run keeps: nobody has to be asked for them. */
export async function checkResults(world: WorkflowWorld, id: RunId): Promise<void> {
  const run = world.runs.get(id)?.instance;
  const nodes = run?.memory?.nodes;
  if (!run || !nodes) return;
  /** JSON text of what it should give; null: somebody must be asked. */
  const expected = (node: RunNode): string | null => {
    if (node.kind !== "join") return node.state === "SUCCEEDED" ? keptResult(run.sql, node) : "null";
    const spec = specOf(run.sql, node);
    const parents = node.parents.flatMap((i) => nodes[i] ?? []).filter(({ key }) => !SPAWNED.test(key));
    const results = parents.map(expected);
    if (spec.kind !== "join" || results.includes(null)) return null;
    if (spec.of === "only") return results[0] ?? "null";
    const named = parents.map(({ key }, i) => `${JSON.stringify(key.split(".").at(-1))}:${results[i]}`);
    return spec.of === "object" ? `{${named.join(",")}}` : `[${results.join(",")}]`;
  };
  for (const node of nodes) {
    const text = node.kind === "join" && node.state === "SUCCEEDED" ? expected(node) : null;
    if (text === null) continue;
    const answer = await readNode(run, { v: 1, key: node.key });
    const given = answer.ok ? answer.result : answer.code;
    must(given === text, () => `${node.key} gives ${given}, and its parents gave ${text}`);
  }
}
