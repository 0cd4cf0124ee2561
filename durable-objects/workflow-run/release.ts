/** Nodes whose time has come: their tasks, which waited BLOCKED, may run, with what they refer to filled in. */
import type { Seq } from "../../core/ids.ts";
import type { ReleasedNode } from "../../core/schema/workflow-rpc.ts";
import { endOf } from "../../core/workflow/decide.ts";
import { callWithin, FAN_OUT } from "../stubs.ts";
import { endUnrun } from "./end-node.ts";
import { fillPayload, Unfillable } from "./fill.ts";
import { type RunNode, saveNode, specOf } from "./node-rows.ts";
import { attempt, callerName, fillName, isFree } from "./reach.ts";
import type { Run, RunMemory } from "./run.ts";
import { ANSWER_WITHIN_MS, timesOf } from "./submit-tasks.ts";

/** Payloads of so many fit one call. */
const MOST = 32;

/** @returns whether anything changed */
export async function release(run: Run, memory: RunMemory, now: number): Promise<boolean> {
  // One whose payload can't be filled in now stands in no other's way.
  const isDue = (node: RunNode) => isFree(run, callerName(node), now) && isFree(run, fillName(node), now);
  const due = memory.nodes.filter(
    (node) => node.state === "ready" && node.placed === "blocked" && !node.toEnd && isDue(node),
  );
  const groups = Array.from(Map.groupBy(due, callerName).values(), (nodes) => nodes.slice(0, MOST)).slice(0, FAN_OUT);
  const done = await Promise.all(groups.map((nodes) => releaseAt(run, memory, nodes)));
  return done.some(Boolean);
}

async function releaseAt(run: Run, memory: RunMemory, nodes: readonly RunNode[]): Promise<boolean> {
  let isChanged = false;
  const ready: { node: RunNode; told: ReleasedNode }[] = [];
  for (const node of nodes) {
    await attempt(run, fillName(node), async () => {
      const told = await releaseOf(run, memory, node);
      if (told === null) isChanged = true;
      else ready.push({ node, told });
    });
  }
  const [first] = ready;
  if (!first?.node.at) return isChanged;
  const { at } = first.node;
  const isDone = await attempt(run, callerName(first.node), async () => {
    const request = { v: 1, nodes: ready.map(({ told }) => told) } as const;
    const address = { tenant: run.tenant, ...at };
    const answer = await callWithin(run.ports, ANSWER_WITHIN_MS, () => run.ports.shard(address).release(request));
    if (!answer.ok) throw new Error(`${answer.code}: ${answer.detail}`);
    run.change(memory, () => {
      for (const { node } of ready) {
        // One that its shard does not hold has ended: its end is on the way, or it is looked for.
        if (node.placed !== "blocked") continue;
        node.placed = "released";
        saveNode(run.sql, node);
      }
    });
  });
  return isDone || isChanged;
}

/** null: it can never run, and has ended. @throws where that is not known yet */
async function releaseOf(run: Run, memory: RunMemory, node: RunNode): Promise<ReleasedNode | null> {
  const spec = specOf(run.sql, node);
  if (spec.kind !== "task") throw new Error(`node ${node.key} has no task`);
  try {
    const end = node.isCompensation
      ? endOf(
          memory.nodes.filter(({ isCompensation }) => !isCompensation),
          memory.head.isCancelled,
        )
      : null;
    const payload = node.refers ? await fillPayload(run, memory, spec.task, end) : null;
    const { runAt, expiresAt = null } = timesOf(spec.task, run.ports.now());
    return { seq: node.seq as Seq, payload, runAt, expiresAt };
  } catch (error) {
    if (!(error instanceof Unfillable)) throw error;
    run.change(memory, () => {
      const at = run.ports.now();
      endUnrun(run, memory, node, { status: "FAILED", code: "payload-invalid", message: error.message, at });
    });
    return null;
  }
}
