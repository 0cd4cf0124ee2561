/** A node has ended: the one place that writes so, once a node and try. Inside a transaction. */
import { utf8Bytes } from "../../core/bytes.ts";
import type { EndCode } from "../../core/errors.ts";
import { MAX_RUN_BYTES } from "../../core/schema/workflow.ts";
import type { FinishedStatus } from "../../core/status.ts";
import { type RunNode, saveNode } from "./node-rows.ts";
import type { Run, RunHead, RunMemory } from "./run.ts";
import { toEnd } from "./task-place.ts";

/** Why a node of it ends that neither ran nor failed. */
export function whyStopped({ stop }: Pick<RunHead, "stop">): string {
  return stop === "timeout" ? "the run's time was over" : "the run was cancelled";
}

export interface NodeEnding {
  readonly status: FinishedStatus;
  /** null: SUCCEEDED. */
  readonly code: EndCode | null;
  readonly message: string | null;
  /** Unix ms. */
  readonly at: number;
  /** JSON text; null or absent: none, or it is read from its task when it is needed. */
  readonly result?: string | null;
  readonly spawned?: string | null;
}

export function endNode(run: Run, memory: RunMemory, node: RunNode, ending: NodeEnding): void {
  if (node.endedAt !== null) throw new Error(`node ${node.key} has ended before`);
  const { spawned = null } = ending;
  const { result = null, message } = node.isErased ? { message: ending.message && "" } : ending;
  // What a run may keep is bounded; a larger one is read from its task, as large results are.
  const size = result === null ? 0 : utf8Bytes(result);
  const isKept = memory.bytes + size <= MAX_RUN_BYTES || node.at === null;
  // Those that wait for it wait for what it spawned too.
  node.state = spawned === null ? ending.status : "spawning";
  node.code = ending.code;
  node.message = message;
  node.endedAt = ending.at;
  node.endedNo = ++memory.ends;
  node.timeoutAt = null;
  if (isKept) memory.bytes += size;
  saveNode(run.sql, node, { told: { result: isKept ? result : null, spawned } });
}

/** It ends because its run was stopped; no task of it is to hear of that. */
export function endCancelled(run: Run, memory: RunMemory, node: RunNode): void {
  const message = whyStopped(memory.head);
  endNode(run, memory, node, { status: "CANCELLED", code: "cancelled", message, at: run.ports.now() });
}

/** It ends without having run; where it has a task, or may have, that is to hear of it. */
export function endUnrun(run: Run, memory: RunMemory, node: RunNode, ending: NodeEnding): void {
  node.task = toEnd(node.task);
  endNode(run, memory, node, ending);
}
