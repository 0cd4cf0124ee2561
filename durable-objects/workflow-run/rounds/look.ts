/**
 * Asks for tasks whose ends were not told: a notice that was lost, a queue that was deleted with its tasks. What neither
 * shard nor history knows has ended; where one of them does not answer, it may not have.
 */
import type { TaskId } from "../../../core/ids.ts";
import { isFinished } from "../../../core/status.ts";
import { type Found, findTasks, isFound, isNowhere, type Missing } from "../../../reads/find-tasks.ts";
import { isLookDue, outstanding } from "../arm.ts";
import { record } from "../asked/ended.ts";
import { endUnrun } from "../end-node.ts";
import type { RunNode } from "../node-rows.ts";
import type { Run, RunMemory } from "../run.ts";
import { taskIdOf } from "../task-place.ts";

const MOST = 100;
const NOTICE_MS = 300_000;

/** @returns whether anything changed */
export async function look(run: Run, memory: RunMemory, now: number): Promise<boolean> {
  const open = outstanding(memory);
  if (open.length === 0 || !isLookDue(run, memory, now)) return false;
  run.lookedAt = now;
  let isChanged = false;
  for (let from = 0; from < open.length; from += MOST) {
    const nodes = open.slice(from, from + MOST);
    const asked = nodes.flatMap((node) => {
      const task = taskIdOf(node);
      return task === null ? [] : [{ node, task, place: node.task }];
    });
    const found = await findTasks(
      run,
      run.tenant,
      asked.map(({ task }) => task),
    );
    const news = run.change(memory, () => {
      const told = asked.map(
        ({ node, task, place }, i) => node.task === place && take(run, memory, node, task, found[i]),
      );
      return told.some(Boolean);
    });
    isChanged ||= news;
  }
  return isChanged;
}

/** Inside a transaction. */
function take(run: Run, memory: RunMemory, node: RunNode, task: TaskId, found: Found | Missing | undefined): boolean {
  if (!found || node.endedAt !== null) return false;
  if (!isFound(found)) {
    if (!isNowhere(found.code)) return false;
    const message = `neither its shard nor history knows its task: ${found.detail}`;
    // A shard that has not heard yet that its queue was deleted may have it all the same.
    endUnrun(run, memory, node, { status: "FAILED", code: "task-lost", message, at: run.ports.now() });
    return true;
  }
  const { status, error, endedAt } = found.record;
  if (!isFinished(status)) return false;
  // What it spawned is told by its notice alone, which is given time to come.
  if (status === "SUCCEEDED" && (endedAt ?? 0) + NOTICE_MS > run.ports.now()) return false;
  const end = { task, status, endedAt: endedAt ?? run.ports.now(), result: null };
  return record(run, memory, { ...end, node: node.key, error: error && { code: error.code, message: error.message } });
}
