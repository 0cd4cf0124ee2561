/** Definitions of runs, written short; and what of a run is looked at. */
import { type QueueName, type RunId, runId } from "../../../core/ids.ts";
import type { NodeDefinition, NodeTask, ParentPolicy, RunDefinition } from "../../../core/schema/workflow-rpc.ts";
import type { RunNode } from "../../../durable-objects/workflow-run/node-rows.ts";
import type { Script } from "./worker.ts";
import type { WorkflowWorld } from "./workflow-world.ts";

export function idOf(n: number): RunId {
  return runId(new TextEncoder().encode(`run ${n}`.padEnd(24, "x")));
}

/** A task of this world, at a shard of a queue. */
export function taskOf(script: Partial<Script> | object = {}, more: Partial<NodeTask> = {}): NodeTask {
  return {
    queue: "a" as QueueName,
    shard: 0,
    type: "step",
    version: 1,
    priority: 5,
    payload: JSON.stringify({ ends: "succeeded", ms: 10, ...script }),
    refers: false,
    delayMs: null,
    runAt: null,
    ttlMs: null,
    options: null,
    ...more,
  };
}

export function node(
  key: string,
  parents: readonly number[] = [],
  task: NodeTask = taskOf(),
  onParentFailure: ParentPolicy = "fail",
): Extract<NodeDefinition, { kind: "task" }> {
  return { key, kind: "task", parents, onParentFailure, task };
}

/** One that waits for the word `go`. */
export function signal(key: string, timeoutMs: number | null = null): Extract<NodeDefinition, { kind: "signal" }> {
  return { key, kind: "signal", parents: [], onParentFailure: "fail", signal: "go", timeoutMs };
}

export function definition(nodes: readonly NodeDefinition[], more: Partial<RunDefinition> = {}): RunDefinition {
  return { name: null, nodes, onFinish: null, timeoutMs: null, keepMs: 30 * 86_400_000, ...more };
}

/** `key status code` of each node, by index. */
export function statesOf(world: WorkflowWorld, id: RunId): string[] {
  const nodes: readonly RunNode[] = world.head(id)?.nodes ?? [];
  return nodes.map(({ key, state, code }) => (code === null ? `${key} ${state}` : `${key} ${state} ${code}`));
}

export function hasEnded(world: WorkflowWorld, id: RunId): () => boolean {
  return () => (world.head(id)?.head.status ?? "RUNNING") !== "RUNNING";
}
