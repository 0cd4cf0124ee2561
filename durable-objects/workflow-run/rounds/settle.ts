/** What follows from what is known, without asking anybody: who may run, who ends unrun, which signals have come. */
import { decide, isEnded } from "../../../core/workflow/decide.ts";
import { signalOf } from "../asked/signal.ts";
import { endCancelled, endNode, endUnrun, whyStopped } from "../end-node.ts";
import { type RunNode, saveNode } from "../node-rows.ts";
import type { Run, RunMemory } from "../run.ts";

const WHY = {
  "parent-failed": "a node that it waits for failed",
  "parent-cancelled": "a node that it waits for was cancelled",
  skipped: "it was skipped: a node that it waits for did not succeed",
} as const;

/** One transaction. @returns whether anything changed */
export function settle(run: Run, memory: RunMemory, now: number): boolean {
  const decisions = decide(memory.nodes, memory.head.stop !== null);
  const overdue = memory.nodes.filter((node) => node.signal !== null && node.state === "ready");
  if (decisions.length === 0 && overdue.length === 0) return false;
  return run.transact(() => {
    let isChanged = decisions.length > 0;
    for (const decision of decisions) {
      const node = memory.nodes[decision.index];
      if (!node) continue;
      if (decision.to === "ready") {
        node.state = "ready";
        // Follows from what is written, so it costs no row, until it is written with what is done about it.
        if (node.timeoutMs === null) continue;
        node.timeoutAt = now + node.timeoutMs;
        saveNode(run.sql, node);
      } else {
        const { status, code } = decision;
        const message = code === "cancelled" ? whyStopped(memory.head) : code && WHY[code];
        endUnrun(run, memory, node, { status, code, message, at: now });
      }
    }
    for (const node of memory.nodes) if (isSettledSignal(run, memory, node, now)) isChanged = true;
    return isChanged;
  });
}

/** Inside a transaction. */
function isSettledSignal(run: Run, memory: RunMemory, node: RunNode, now: number): boolean {
  const { signal, timeoutAt } = node;
  if (signal === null || isEnded(node.state) || node.state !== "ready") return false;
  const result = signalOf(run, signal);
  if (result !== null) endNode(run, memory, node, { status: "SUCCEEDED", code: null, message: null, at: now, result });
  else if (memory.head.stop !== null) endCancelled(run, memory, node);
  else if (timeoutAt !== null && timeoutAt <= now)
    endNode(run, memory, node, {
      status: "FAILED",
      code: "signal-timeout",
      message: `the signal ${signal} did not come in time`,
      at: now,
    });
  else return false;
  return true;
}
