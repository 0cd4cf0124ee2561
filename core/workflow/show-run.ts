/** A run, its nodes and its graph as users see them: times as RFC 3339, parents by key. Pure. */
import type { TaskId } from "../ids.ts";
import type { NodeDetail, NodeRecord, RunRecord } from "../schema/workflow-rpc.ts";
import type { Status } from "../status.ts";
import { iso, type TaskRecord, toAttemptView } from "../task.ts";

export function runView(run: RunRecord) {
  const {
    id,
    name,
    status,
    createdAt,
    endedAt,
    counts,
    total,
    failed,
    heldBy,
    compensation,
    finishTask,
    finishProblem,
  } = run;
  const ended = (["SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED"] as const).reduce(
    (sum, one) => sum + (counts[one] ?? 0),
    0,
  );
  return {
    id,
    ...(name !== null && { name }),
    status,
    createdAt: iso(createdAt),
    ...(endedAt !== null && { endedAt: iso(endedAt) }),
    progress: { nodes: total, ended, counts },
    ...(failed.length > 0 && { failed }),
    ...(run.timeoutAt !== null && { timeoutAt: iso(run.timeoutAt) }),
    ...(run.stop === "cancelled" && { cancelRequested: true }),
    ...(run.stop === "timeout" && { timedOut: true }),
    ...(run.retries > 0 && { retries: run.retries }),
    ...(heldBy !== null && { heldBy }),
    ...(compensation !== "none" && { compensation }),
    ...(finishTask !== null && { finishTask }),
    ...(finishProblem !== null && { finishProblem }),
  };
}

/**
 * As their tasks stand: a run knows of a node that may run, and its shard what became of it since.
 * @param live status by task; a task that is not there stays as the run has it
 */
export function withLive<T extends { readonly run: RunRecord; readonly nodes: readonly NodeRecord[] }>(
  told: T,
  live: ReadonlyMap<TaskId, Status>,
): T {
  const nodes = told.nodes.map((node) => {
    const status = node.task !== null && node.endedAt === null ? live.get(node.task) : undefined;
    return status === undefined ? node : { ...node, status };
  });
  const counts: Partial<Record<Status, number>> = {};
  for (const { status } of nodes) counts[status] = (counts[status] ?? 0) + 1;
  return { ...told, run: { ...told.run, counts }, nodes };
}

/** Tasks of nodes that may run, the first `most`. */
export function openTasks(nodes: readonly NodeRecord[], most: number): TaskId[] {
  const open = nodes.flatMap(({ task, status }) => (task !== null && status === "QUEUED" ? [task] : []));
  return open.slice(0, most);
}

export function nodeView(node: NodeRecord, nodes: readonly NodeRecord[]) {
  const { key, kind, status, task, endedAt, error, heldBy, parents, onParentFailure, signal, timeoutAt } = node;
  return {
    key,
    kind,
    status,
    ...(task !== null && { task }),
    dependsOn: keysOf(parents, nodes),
    ...(parents.length > 0 && { onParentFailure }),
    ...(endedAt !== null && { endedAt: iso(endedAt) }),
    ...(error !== null && { error }),
    ...(status === "BLOCKED" && {
      waitsFor: keysOf(
        parents.filter((parent) => isOpen(nodes[parent])),
        nodes,
      ),
    }),
    ...(heldBy !== null && { heldBy }),
    ...(signal !== undefined && { signal }),
    ...(timeoutAt !== undefined && timeoutAt !== null && { timeoutAt: iso(timeoutAt) }),
    ...(node.compensates !== undefined && { compensates: node.compensates }),
    ...(node.retried.length > 0 && { retried: node.retried }),
  };
}

/**
 * As {@link nodeView}, with what was sent and what it gave.
 * @param live its task; null: it has none, or it can't be read now
 */
export function nodeDetailView({ nodes, index, task, over, result, noResult }: NodeDetail, live: TaskRecord | null) {
  const node = nodes[index];
  if (!node) throw new Error(`there is no node ${index} among ${nodes.length}`);
  return {
    ...nodeView(node, nodes),
    ...(live && node.endedAt === null && { status: live.status }),
    ...(live && { attempts: live.attempts.map(toAttemptView) }),
    ...(live?.status === "RUNNING" && live.progress !== null && { progress: parsed(live.progress) }),
    ...(task && { type: task.type, queue: task.queue, priority: task.priority, payload: parsed(task.payload) }),
    ...(over !== null && { over: parsed(over) }),
    ...(result !== null && { result: parsed(result) }),
    ...(noResult !== null && { resultOmitted: noResult }),
  };
}

function parsed(text: string): unknown {
  return JSON.parse(text);
}

export function graphView(run: RunRecord, nodes: readonly NodeRecord[]) {
  return {
    id: run.id,
    status: run.status,
    nodes: nodes.map(({ key, kind, status, task }) => ({ key, kind, status, ...(task !== null && { task }) })),
    edges: nodes.flatMap(({ key, parents }) => keysOf(parents, nodes).map((from) => ({ from, to: key }))),
  };
}

/** The graph as text for Mermaid (https://mermaid.js.org), which many a page draws. */
export function mermaidText(nodes: readonly NodeRecord[]): string {
  const lines = nodes.map(({ key, status }, i) => `  n${i}["${key}<br/>${status}"]`);
  const edges = nodes.flatMap(({ parents }, i) => parents.map((parent) => `  n${parent} --> n${i}`));
  return ["graph TD", ...lines, ...edges, ""].join("\n");
}

function isOpen(node: NodeRecord | undefined): boolean {
  return node !== undefined && node.endedAt === null;
}

function keysOf(indexes: readonly number[], nodes: readonly NodeRecord[]): string[] {
  return indexes.flatMap((index) => nodes[index]?.key ?? []);
}
