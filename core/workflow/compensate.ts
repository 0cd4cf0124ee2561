/** What undoes a run that did not succeed: one task after the other, what ended last first. Pure. */
import type { NodeDefinition, NodeTask } from "../schema/workflow-rpc.ts";
import type { NodeState } from "./decide.ts";

export interface Compensable {
  readonly key: string;
  readonly state: NodeState;
  /** The how manieth of the run to end; null: it has not. */
  readonly endedNo: number | null;
  readonly compensate: NodeTask | null;
}

export interface Compensation {
  readonly compensates: string;
  readonly node: Extract<NodeDefinition, { kind: "task" }>;
}

/** No caller's key has a colon. */
export function compensationKey(key: string): string {
  return `compensate:${key}`;
}

/**
 * The nodes that undo what succeeded, to be appended to the run's. Each waits for the one before it, and runs whether
 * that succeeded or not.
 */
export function compensationsOf(nodes: readonly Compensable[]): Compensation[] {
  const undone = nodes
    .flatMap(({ key, state, endedNo, compensate }) =>
      state === "SUCCEEDED" && compensate && endedNo !== null ? [{ key, endedNo, compensate }] : [],
    )
    .sort((a, b) => b.endedNo - a.endedNo);
  return undone.map(({ key, compensate }, place) => ({
    compensates: key,
    node: {
      kind: "task",
      key: compensationKey(key),
      parents: place === 0 ? [] : [nodes.length + place - 1],
      onParentFailure: "continue",
      task: compensate,
    },
  }));
}
