/** Nodes begin anew: each gets a new task when its time comes, and a run that had ended goes on. */
import type { Refusal } from "../../../core/schema/answer.ts";
import { saveNode } from "../node-rows.ts";
import { type Run, type RunMemory, refuse } from "../run.ts";
import { addStray } from "../strays.ts";
import { NOWHERE, taskIdOf } from "../task-place.ts";

/** Why a run is not taken up again now, whoever asks for it; null: it may be. */
export function whyNotResumed({ head }: RunMemory): Refusal | null {
  if (head.compensation !== "none")
    return refuse("workflow-finished", "What succeeded of the run has been undone; start it anew.");
  if (head.status === "RUNNING" && head.stop !== null)
    return refuse("workflow-running", "The run is being stopped. Come again when it has ended.");
  return null;
}

/** Why these nodes can't run again; null: they can. */
export function whyNotAgain({ nodes }: RunMemory, again: ReadonlySet<number>): Refusal | null {
  const erased = nodes.find(({ i, isErased }) => again.has(i) && isErased);
  return erased
    ? refuse("task-deleted", `The data of the node ${erased.key} was deleted, so it can't run again.`)
    : null;
}

/** Inside a transaction. */
export function resumeNodes(run: Run, { head, nodes, strays }: RunMemory, again: ReadonlySet<number>): void {
  const now = run.ports.now();
  for (const i of again) {
    const node = nodes[i];
    if (!node) continue;
    const before = taskIdOf(node);
    if (before !== null) node.retried = [...node.retried, before];
    node.state = "waiting";
    if (node.at && node.task.is === "ending") addStray(run.sql, strays, { ...node.at, seq: node.task.seq });
    // One that was sent and not answered stays so: its portion will tell which task it is.
    if (node.task.is !== "sent") node.task = NOWHERE;
    node.endedAt = null;
    node.endedNo = null;
    node.code = null;
    node.message = null;
    node.timeoutAt = null;
    saveNode(run.sql, node, { told: { result: null, spawned: null } });
  }
  head.retries++;
  head.status = "RUNNING";
  head.endedAt = null;
  head.newsAt = now;
  head.stop = null;
  head.timeoutAt = head.timeoutMs === null ? null : now + head.timeoutMs;
  head.decided = null;
  head.finishTask = null;
  head.finishProblem = null;
  head.isFireTold = false;
  run.saveHead();
}
