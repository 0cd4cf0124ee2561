/** The run is to end: what waits never runs, what runs is asked to stop. Safe to repeat, refused where it ended otherwise. */
import type { Versioned } from "../../core/schema/answer.ts";
import type { RunAnswer } from "../../core/schema/workflow-rpc.ts";
import { arm } from "./arm.ts";
import { endCancelled } from "./end-node.ts";
import { saveNode } from "./node-rows.ts";
import { toRunRecord } from "./read.ts";
import { type Run, refuse, withRun } from "./run.ts";
import { toEnd } from "./task-place.ts";

export function cancel(run: Run, _request: Versioned): RunAnswer {
  return withRun(run, (memory) => {
    const { head, nodes } = memory;
    if (head.status === "SUCCEEDED" || head.status === "FAILED")
      return refuse("workflow-finished", `The run is ${head.status}.`);
    if (head.status === "RUNNING" && !head.isCancelled) {
      const now = run.ports.now();
      run.transact(() => {
        head.isCancelled = true;
        for (const node of nodes) {
          if (node.state !== "ready" || node.isCompensation || !node.at) continue;
          node.task = toEnd(node.task);
          // Nobody has heard of it, or its shard says what becomes of it.
          if (node.task.is === "nowhere") endCancelled(run, memory, node);
          else saveNode(run.sql, node);
        }
        run.saveHead();
      });
      arm(run, now);
    }
    return { v: 1, ok: true, run: toRunRecord(run, memory) };
  });
}
