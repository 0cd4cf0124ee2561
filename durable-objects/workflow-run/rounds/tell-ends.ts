/** Tasks whose nodes end without them, or whose run was cancelled: their shards are told until they have heard. */
import type { EndNodesRequest } from "../../../core/schema/workflow-rpc.ts";
import { isEnded } from "../../../core/workflow/decide.ts";
import { FAN_OUT } from "../../stubs.ts";
import { whyStopped } from "../end-node.ts";
import { type RunNode, saveNode } from "../node-rows.ts";
import { asked, attempt, callerName, isFree } from "../reach.ts";
import type { Run, RunMemory } from "../run.ts";
import { seqOf } from "../task-place.ts";

const MOST = 200;

/** @returns whether anything changed */
export async function tellEnds(run: Run, memory: RunMemory, now: number): Promise<boolean> {
  const due = memory.nodes.filter((node) => node.task.is === "ending" && isFree(run, callerName(node), now));
  const groups = Array.from(Map.groupBy(due, callerName).values(), (nodes) => nodes.slice(0, MOST)).slice(0, FAN_OUT);
  const done = await Promise.all(groups.map((nodes) => tellShard(run, memory, nodes)));
  return done.some(Boolean);
}

async function tellShard(run: Run, memory: RunMemory, nodes: readonly RunNode[]): Promise<boolean> {
  const [first] = nodes;
  if (!first?.at) return false;
  const { at } = first;
  const told = nodes.map(({ task }) => task);
  return await attempt(run, callerName(first), async () => {
    await endTasks(
      run,
      at,
      nodes.flatMap((node) => endingOf(memory, node)),
    );
    run.change(memory, () => {
      for (const [i, node] of nodes.entries()) {
        if (node.task !== told[i] || node.task.is !== "ending") continue;
        node.task = { is: "released", seq: node.task.seq };
        saveNode(run.sql, node);
      }
    });
  });
}

/** Tells a shard which of its tasks end, and how. @throws where it does not answer, or refuses */
export async function endTasks(
  run: Run,
  at: NonNullable<RunNode["at"]>,
  nodes: EndNodesRequest["nodes"],
): Promise<void> {
  await asked(run, () => run.ports.shard({ tenant: run.tenant, ...at }).endNodes({ v: 1, nodes }));
}

function endingOf({ head }: RunMemory, node: RunNode): EndNodesRequest["nodes"] {
  const { state, code, message } = node;
  const seq = seqOf(node);
  if (seq === null) return [];
  if (state === "FAILED") return [{ seq, status: "FAILED", code: code ?? "parent-failed", message: message ?? "" }];
  const isOver = isEnded(state) && code !== null;
  const why = isOver ? { code, message: message ?? "" } : { code: "cancelled" as const, message: whyStopped(head) };
  return [{ seq, status: "CANCELLED", ...why }];
}
