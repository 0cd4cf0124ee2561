/** Tasks whose nodes end without them, or whose run was cancelled: their shards are told until they have heard. */
import type { EndNodesRequest } from "../../core/schema/workflow-rpc.ts";
import { isEnded } from "../../core/workflow/decide.ts";
import { callWithin, FAN_OUT } from "../stubs.ts";
import { CANCELLED } from "./end-node.ts";
import { type RunNode, saveNode } from "./node-rows.ts";
import { attempt, callerName, isFree } from "./reach.ts";
import type { Run, RunMemory } from "./run.ts";
import { ANSWER_WITHIN_MS } from "./submit-tasks.ts";

const MOST = 200;

/** @returns whether anything changed */
export async function tellEnds(run: Run, memory: RunMemory, now: number): Promise<boolean> {
  const due = memory.nodes.filter(
    (node) => node.toEnd && node.placed !== "no" && node.seq !== null && isFree(run, callerName(node), now),
  );
  const groups = Array.from(Map.groupBy(due, callerName).values(), (nodes) => nodes.slice(0, MOST)).slice(0, FAN_OUT);
  const done = await Promise.all(groups.map((nodes) => tellShard(run, memory, nodes)));
  return done.some(Boolean);
}

async function tellShard(run: Run, memory: RunMemory, nodes: readonly RunNode[]): Promise<boolean> {
  const at = nodes[0]?.at;
  if (!at) return false;
  return await attempt(run, `${at.queue}:${at.shard}`, async () => {
    await endTasks(run, at, nodes.flatMap(endingOf));
    run.change(memory, () => {
      for (const node of nodes) {
        if (!node.toEnd) continue;
        node.toEnd = false;
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
  const address = { tenant: run.tenant, ...at };
  const answer = await callWithin(run.ports, ANSWER_WITHIN_MS, () =>
    run.ports.shard(address).endNodes({ v: 1, nodes }),
  );
  if (!answer.ok) throw new Error(`${answer.code}: ${answer.detail}`);
}

function endingOf({ seq, state, code, message }: RunNode): EndNodesRequest["nodes"] {
  if (seq === null) return [];
  if (state === "FAILED") return [{ seq, status: "FAILED", code: code ?? "parent-failed", message: message ?? "" }];
  const isOver = isEnded(state) && code !== null;
  const why = isOver ? { code, message: message ?? "" } : { code: "cancelled" as const, message: CANCELLED };
  return [{ seq, status: "CANCELLED", ...why }];
}
