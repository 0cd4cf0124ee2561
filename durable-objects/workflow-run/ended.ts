/**
 * Tasks of the run have ended, as their shards say: written down and no more; the alarm goes on from there.
 * Must stay true: an end counts once, whether it was told twice, late, or of a task that the node has no longer.
 */
import { parseTaskId, taskId } from "../../core/ids.ts";
import type { Answer, Versioned } from "../../core/schema/answer.ts";
import type { NodeEnd } from "../../core/schema/workflow-rpc.ts";
import { isEnded, resumed } from "../../core/workflow/decide.ts";
import { arm } from "./arm.ts";
import { endNode } from "./end-node.ts";
import { type RunNode, saveNode } from "./node-rows.ts";
import { resumeNodes } from "./resume.ts";
import { type Run, type RunMemory, withRun } from "./run.ts";

export function ended(run: Run, { ends }: Versioned & { readonly ends: readonly NodeEnd[] }): Answer<object> {
  return withRun(run, (memory) => {
    const now = run.ports.now();
    const isNews = run.transact(() => ends.map((end) => record(run, memory, end)).some(Boolean));
    if (isNews) arm(run, now);
    return { v: 1, ok: true };
  });
}

/** Inside a transaction. @returns whether it was news */
export function record(run: Run, memory: RunMemory, end: NodeEnd): boolean {
  const node = memory.nodes[memory.byKey.get(end.node) ?? -1];
  const task = parseTaskId(end.task);
  if (!node?.at || !task || node.retried.includes(end.task)) return false;
  if (node.seq !== null && taskId(node.at, node.seq) !== end.task) return recordRetried(run, memory, node, end);
  // Its task may end before the answer is here that says which one it is.
  if (node.seq === null && node.portion === null) return false;
  if (node.seq === null) {
    node.seq = task.seq;
    node.placed = "released";
    node.portion = null;
  }
  if (isEnded(node.state)) {
    // The run had ended it by itself, and it has heard.
    const isOpen = node.toEnd;
    node.toEnd = false;
    if (isOpen) saveNode(run.sql, node);
    return isOpen;
  }
  node.toEnd = false;
  node.placed = "released";
  endNode(run, memory, node, endingOf(end));
  return true;
}

/** Another task of a node that failed: its dead letter was redriven. Where it SUCCEEDED, that is the node's retry. */
function recordRetried(run: Run, memory: RunMemory, node: RunNode, end: NodeEnd): boolean {
  const { head, nodes } = memory;
  const task = parseTaskId(end.task);
  const isFailed = node.state === "FAILED" && node.code !== "parent-failed";
  if (!task || !node.at || node.seq === null || end.status !== "SUCCEEDED") return false;
  if (!isFailed || node.toEnd || head.compensation !== "none") return false;
  const again = resumed(nodes, [node.i]);
  const retried = [...node.retried, taskId(node.at, node.seq)];
  resumeNodes(run, memory, again);
  node.retried = retried;
  // The redriven task is where its dead letter was; a node's place is its queue's, so it has the same.
  node.seq = task.seq;
  node.placed = "released";
  endNode(run, memory, node, endingOf(end));
  return true;
}

function endingOf({ status, error, endedAt, result, spawned }: NodeEnd) {
  const code = error?.code ?? (status === "SUCCEEDED" ? null : "cancelled");
  return { status, code, message: error?.message ?? null, at: endedAt, result, spawned: spawned ?? null };
}
