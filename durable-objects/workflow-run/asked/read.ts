/** A run and its nodes as others see them; and waiting for the run's end. */
import type { Answer, Versioned } from "../../../core/schema/answer.ts";
import type { NodeRecord, RunRecord } from "../../../core/schema/workflow-rpc.ts";
import type { Status } from "../../../core/status.ts";
import { failedOf } from "../../../core/workflow/decide.ts";
import type { RunNode } from "../node-rows.ts";
import { FINISH, namesOf, WORK } from "../reach.ts";
import { noSuchRun, type Run, type RunMemory, withRun } from "../run.ts";
import { taskIdOf } from "../task-place.ts";

const MOST_FAILED = 100;

type ReadAnswer = Answer<{ readonly run: RunRecord; readonly nodes: readonly NodeRecord[] | null }>;
type ReadRequest = Versioned & { readonly nodes: boolean; readonly waitMs?: number };

export function read(run: Run, { nodes, waitMs = 0 }: ReadRequest, respond: (answer: ReadAnswer) => void): void {
  const { memory } = run;
  if (!memory || waitMs <= 0 || memory.head.status !== "RUNNING") {
    respond(memory ? view(run, nodes) : noSuchRun(run.id));
    return;
  }
  const tell = () => {
    run.waiters.delete(tell);
    stop();
    respond(view(run, nodes));
  };
  const stop = run.ports.later(waitMs, tell);
  run.waiters.add(tell);
}

function view(run: Run, withNodes: boolean): ReadAnswer {
  return withRun(run, (memory) => {
    const nodes = withNodes ? memory.nodes.map((node) => toNodeRecord(run, node)) : null;
    return { v: 1, ok: true, run: toRunRecord(run, memory), nodes };
  });
}

export function toRunRecord(run: Run, { head, nodes }: RunMemory): RunRecord {
  const counts: Partial<Record<Status, number>> = {};
  for (const node of nodes) counts[statusOf(node)] = (counts[statusOf(node)] ?? 0) + 1;
  const failed = failedOf(nodes).slice(0, MOST_FAILED);
  return {
    id: run.id,
    name: head.name,
    status: head.status,
    createdAt: head.createdAt,
    endedAt: head.endedAt,
    timeoutAt: head.timeoutAt,
    stop: head.stop,
    retries: head.retries,
    counts,
    total: nodes.length,
    failed: failed.flatMap((i) => nodes[i]?.key ?? []),
    heldBy: head.status === "RUNNING" ? runHeldBy(run, nodes) : null,
    compensation: head.compensation,
    finishTask: head.finishTask,
    finishProblem: head.finishProblem,
  };
}

export function toNodeRecord(run: Run, node: RunNode): NodeRecord {
  const { key, kind, parents, onParentFailure, endedAt, code, message, signal, timeoutAt } = node;
  return {
    key,
    kind: node.isMap ? "map" : kind,
    parents,
    onParentFailure,
    status: statusOf(node),
    task: taskIdOf(node),
    endedAt,
    error: code === null ? null : { code, message: message ?? "" },
    heldBy: heldBy(run, node),
    ...(signal !== null && { signal, timeoutAt }),
    ...(node.compensates !== null && { compensates: node.compensates }),
    retried: node.retried,
  };
}

function heldBy(run: Run, node: RunNode): string | null {
  return node.endedAt === null && node.task.is !== "released" ? run.held.why(namesOf(node)) : null;
}

/** The first thing that keeps the run from going on; what its nodes wait for by themselves is no such thing. */
function runHeldBy(run: Run, nodes: readonly RunNode[]): string | null {
  if (run.held.isEmpty) return null;
  const finish = run.held.why([FINISH]);
  if (finish !== null) return `onFinish: ${finish}`;
  const node = nodes.find((one) => heldBy(run, one) !== null);
  return node ? `${node.key}: ${heldBy(run, node)}` : run.held.why([WORK]);
}

function statusOf({ state, signal }: RunNode): Status {
  if (state === "waiting" || (state === "ready" && signal !== null)) return "BLOCKED";
  if (state === "spawning") return "SUCCEEDED";
  return state === "ready" ? "QUEUED" : state;
}
