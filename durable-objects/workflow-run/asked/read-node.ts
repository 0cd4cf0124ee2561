/** One node with what it was sent with and what it gave. */
import { Problem } from "../../../core/errors.ts";
import type { Answer, Versioned } from "../../../core/schema/answer.ts";
import type { NodeDetail } from "../../../core/schema/workflow-rpc.ts";
import { type RunNode, specOf } from "../node-rows.ts";
import { hasSucceeded, resultText, Unfillable } from "../rounds/fill.ts";
import { noSuchRun, type Run, type RunMemory, refuse } from "../run.ts";
import { toNodeRecord } from "./read.ts";

export async function readNode(run: Run, { key }: Versioned & { readonly key: string }): Promise<Answer<NodeDetail>> {
  const { memory } = run;
  if (!memory) return noSuchRun(run.id);
  const node = memory.nodes[memory.byKey.get(key) ?? -1];
  if (!node) return refuse("node-unknown", `There is no node ${key}.`);
  const spec = specOf(run.sql, node);
  const task = (spec.kind === "task" || spec.kind === "map") && !node.isErased ? spec.task : null;
  try {
    const given = await givenBy(run, memory, node);
    const nodes = memory.nodes.map((one) => toNodeRecord(run, one));
    return { v: 1, ok: true, nodes, index: node.i, task, over: spec.kind === "map" ? spec.over : null, ...given };
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return refuse(error.code, error.detail);
  }
}

/** @throws Problem where it can't be read now */
async function givenBy(run: Run, memory: RunMemory, node: RunNode): Promise<Pick<NodeDetail, "result" | "noResult">> {
  if (!hasSucceeded(node)) return { result: null, noResult: null };
  if (node.isErased) return { result: null, noResult: `the data of ${node.key} was deleted` };
  try {
    return { result: await resultText(run, memory, node), noResult: null };
  } catch (error) {
    if (error instanceof Unfillable) return { result: null, noResult: error.message };
    throw error;
  }
}
