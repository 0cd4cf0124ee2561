/** What undoes a run that did not succeed: one task after the other, what ended last first. Pure. */
import type { NodeDefinition, NodeTask } from "../schema/workflow-rpc.ts";
import type { NodeState } from "./decide.ts";

export interface Compensable {
  readonly key: string;
  readonly parents: readonly number[];
  readonly state: NodeState;
  /** Unix ms, by the clock of its shard; null: it has not ended. */
  readonly endedAt: number | null;
  /** The how manieth of the run whose end was heard of. */
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
  const times = endsOf(nodes);
  const undone = nodes
    .flatMap(({ key, state, endedNo, compensate }, index) =>
      state === "SUCCEEDED" && compensate && endedNo !== null
        ? [{ key, endedNo, endedAt: times.get(index) ?? 0, compensate }]
        : [],
    )
    .sort((a, b) => b.endedAt - a.endedAt || b.endedNo - a.endedNo);
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

/**
 * When each node ended (Unix ms), as shards tell it, but none before what it waited for: their clocks may differ. A word
 * of an end may be late, and is never before that of a parent's: so the order of words is one to go by for that.
 */
function endsOf(nodes: readonly Compensable[]): ReadonlyMap<number, number> {
  const ends = new Map<number, number>();
  const ended = nodes.flatMap(({ parents, endedAt, endedNo }, index) =>
    endedAt === null || endedNo === null ? [] : [{ index, parents, endedAt, endedNo }],
  );
  for (const { index, parents, endedAt } of ended.sort((a, b) => a.endedNo - b.endedNo))
    ends.set(index, Math.max(endedAt, ...parents.map((parent) => ends.get(parent) ?? 0)));
  return ends;
}
