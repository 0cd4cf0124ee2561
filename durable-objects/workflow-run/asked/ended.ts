/**
 * Tasks of the run have ended, as their shards say: written down and no more; the alarm goes on from there.
 * Must stay true: an end counts once, whether it was told twice, late, or of a task that the node has no longer.
 */
import { parseTaskId, type Seq } from "../../../core/ids.ts";
import type { Answer, Versioned } from "../../../core/schema/answer.ts";
import type { NodeEnd } from "../../../core/schema/workflow-rpc.ts";
import { resumed } from "../../../core/workflow/decide.ts";
import { arm } from "../arm.ts";
import { endNode } from "../end-node.ts";
import { type RunNode, saveNode } from "../node-rows.ts";
import { wereAllUndone } from "../rounds/finish.ts";
import { type Run, type RunMemory, withRun } from "../run.ts";
import { isUnderWay, taskIdOf } from "../task-place.ts";
import { resumeNodes, whyNotAgain, whyNotResumed } from "./resume.ts";

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
  if (!node?.at || !task || node.task.is === "nowhere" || node.retried.includes(end.task)) return false;
  const known = taskIdOf(node);
  if (known !== null && known !== end.task) return recordRetried(run, memory, node, end);
  // Its task may end before the answer is here that says which one it is; and that it has ended, it has heard.
  const wasUnderWay = isUnderWay(node);
  node.task = { is: "released", seq: task.seq };
  if (node.endedAt !== null) {
    if (wasUnderWay) saveNode(run.sql, node);
    return wasUnderWay;
  }
  endNode(run, memory, node, endingOf(end));
  return true;
}

/** Another task of a node that failed: its dead letter was redriven. Where it SUCCEEDED, that is the node's retry. */
function recordRetried(run: Run, memory: RunMemory, node: RunNode, end: NodeEnd): boolean {
  const task = parseTaskId(end.task);
  const isFailed = node.state === "FAILED" && node.code !== "parent-failed";
  if (!task || end.status !== "SUCCEEDED" || !isFailed || isUnderWay(node)) return false;
  if (node.isCompensation) return recordUndone(run, memory, node, task.seq, end);
  const again = resumed(memory.nodes, [node.i]);
  if (whyNotResumed(memory) || whyNotAgain(memory, again)) return false;
  resumeNodes(run, memory, again);
  // The redriven task is where its dead letter was; a node's place is its queue's, so it has the same.
  node.task = { is: "released", seq: task.seq };
  endNode(run, memory, node, endingOf(end));
  return true;
}

/** What was to be undone is undone after all; nothing else of the run begins anew. */
function recordUndone(run: Run, memory: RunMemory, node: RunNode, seq: Seq, end: NodeEnd): boolean {
  const { head } = memory;
  const before = taskIdOf(node);
  if (before !== null) node.retried = [...node.retried, before];
  node.task = { is: "released", seq };
  node.endedAt = null;
  endNode(run, memory, node, { ...endingOf(end), spawned: null });
  if (head.compensation !== "failed" || !wereAllUndone(memory)) return true;
  head.compensation = "done";
  run.saveHead();
  return true;
}

function endingOf({ status, error, endedAt, result, spawned }: NodeEnd) {
  const code = error?.code ?? (status === "SUCCEEDED" ? null : "cancelled");
  return { status, code, message: error?.message ?? null, at: endedAt, result, spawned: spawned ?? null };
}
