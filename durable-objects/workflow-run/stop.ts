/** A run is stopped, by a cancellation or because its time is over: what waits never runs, what runs is asked to stop. */
import { isEnded, type Stop } from "../../core/workflow/decide.ts";
import { endCancelled } from "./end-node.ts";
import { saveNode } from "./node-rows.ts";
import { callerName } from "./reach.ts";
import type { Run, RunMemory } from "./run.ts";
import { toEnd } from "./task-place.ts";

/** Where its time is over it is stopped. @returns whether that is news */
export function stopOverdue(run: Run, memory: RunMemory, now: number): boolean {
  const at = stopsAt(memory);
  if (at === null || at > now) return false;
  stop(run, memory, "timeout");
  return true;
}

/** When its time is over (Unix ms); null: never, or all that is left of it is to undo it, or to tell of its end. */
export function stopsAt({ head, nodes }: RunMemory): number | null {
  if (head.stop !== null || head.timeoutAt === null) return null;
  return nodes.some(({ state, isCompensation }) => !isCompensation && !isEnded(state)) ? head.timeoutAt : null;
}

export function stop(run: Run, memory: RunMemory, why: Stop): void {
  const { head, nodes } = memory;
  run.transact(() => {
    head.stop = why;
    head.newsAt = run.ports.now();
    for (const node of nodes) {
      if (node.state !== "ready" || node.isCompensation || !node.at) continue;
      node.task = toEnd(node.task);
      // It is asked now, however long it was to be left alone.
      run.held.release(callerName(node));
      // Nobody has heard of it, or its shard says what becomes of it.
      if (node.task.is === "nowhere") endCancelled(run, memory, node);
      else saveNode(run.sql, node);
    }
    run.saveHead();
  });
}
