/** Nodes that failed get new tasks, and so do those that ended because of them; the run goes on. */
import type { Versioned } from "../../../core/schema/answer.ts";
import type { RunAnswer } from "../../../core/schema/workflow-rpc.ts";
import { isBecause, isEnded, resumed } from "../../../core/workflow/decide.ts";
import { arm } from "../arm.ts";
import type { RunNode } from "../node-rows.ts";
import { type Run, type RunMemory, refuse, withRun } from "../run.ts";
import { toRunRecord } from "./read.ts";
import { resumeNodes, whyNotAgain, whyNotResumed } from "./resume.ts";

export function retry(run: Run, { keys }: Versioned & { readonly keys: readonly string[] | null }): RunAnswer {
  return withRun(run, (memory) => {
    const { nodes } = memory;
    const refused = whyNotResumed(memory);
    if (refused) return refused;
    const tried = keys === null ? nodes.filter(isRetryable) : named(memory, keys);
    if ("ok" in tried) return tried;
    if (tried.length === 0) return refuse("node-not-failed", "No node of the run has failed.");
    const again = resumed(
      nodes,
      tried.map(({ i }) => i),
    );
    const impossible = whyNotAgain(memory, again);
    if (impossible) return impossible;
    const now = run.ports.now();
    run.transact(() => resumeNodes(run, memory, again));
    arm(run, now);
    return { v: 1, ok: true, run: toRunRecord(run, memory) };
  });
}

/** It ended badly by itself, not because of another. */
function isRetryable({ state, code }: RunNode): boolean {
  return isEnded(state) && state !== "SUCCEEDED" && !isBecause(code);
}

function named({ nodes, byKey }: RunMemory, keys: readonly string[]): RunNode[] | ReturnType<typeof refuse> {
  const found: RunNode[] = [];
  for (const [i, key] of keys.entries()) {
    const node = nodes[byKey.get(key) ?? -1];
    const pointer = `/nodes/${i}`;
    if (!node) return { ...refuse("node-unknown", `There is no node ${key}.`), pointer };
    if (!isRetryable(node)) return { ...refuse("node-not-failed", `The node ${key} ${whyNot(node)}.`), pointer };
    found.push(node);
  }
  return found;
}

function whyNot({ state, code }: RunNode): string {
  if (!isEnded(state)) return "has not ended";
  return isBecause(code) ? "did not run, because of one that it waits for: that one is to be retried" : `is ${state}`;
}
