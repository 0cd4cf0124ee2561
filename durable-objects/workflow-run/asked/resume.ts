/** Nodes begin anew: each gets a new task when its time comes, and a run that had ended goes on. Inside a transaction. */
import { saveNode } from "../node-rows.ts";
import type { Run, RunMemory } from "../run.ts";
import { addStray } from "../strays.ts";
import { NOWHERE, taskIdOf } from "../task-place.ts";

export function resumeNodes(run: Run, { head, nodes, strays }: RunMemory, again: ReadonlySet<number>): void {
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
  head.stop = null;
  head.timeoutAt = head.timeoutMs === null ? null : run.ports.now() + head.timeoutMs;
  head.finishTask = null;
  head.isFireTold = false;
  run.saveHead();
}
