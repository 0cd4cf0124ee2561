/** Nodes begin anew: each gets a new task when its time comes, and a run that had ended goes on. Inside a transaction. */
import { taskId } from "../../core/ids.ts";
import { saveNode } from "./node-rows.ts";
import type { Run, RunMemory } from "./run.ts";

export function resumeNodes(run: Run, { head, nodes }: RunMemory, again: ReadonlySet<number>): void {
  for (const i of again) {
    const node = nodes[i];
    if (!node) continue;
    if (node.at && node.seq !== null) node.retried = [...node.retried, taskId(node.at, node.seq)];
    node.state = "waiting";
    node.isSkipped = false;
    // One that was sent and not answered stays so: its portion will tell which task it is.
    node.placed = "no";
    node.seq = null;
    node.toEnd = false;
    node.endedAt = null;
    node.endedNo = null;
    node.code = null;
    node.message = null;
    node.timeoutAt = null;
    node.hasSpawned = false;
    saveNode(run.sql, node, { told: { result: null, spawned: null } });
  }
  head.retries++;
  head.status = "RUNNING";
  head.endedAt = null;
  head.isCancelled = false;
  head.finishTask = null;
  head.isFireTold = false;
  run.saveHead();
}
