/**
 * The end of a run: what succeeded is undone where the run did not, then one task tells of it, then it has ended.
 * Must stay true: the end is written once, when nothing of the run is under way any more.
 */
import type { QueueName, TaskId } from "../../../core/ids.ts";
import { taskId } from "../../../core/ids.ts";
import type { RunEnd } from "../../../core/schema/workflow-rpc.ts";
import { compensationsOf } from "../../../core/workflow/compensate.ts";
import { endOf } from "../../../core/workflow/decide.ts";
import { reasonOf } from "../held-calls.ts";
import { specOf } from "../node-rows.ts";
import { attempt, FINISH, isFree } from "../reach.ts";
import type { Run, RunHead, RunMemory } from "../run.ts";
import { isUnderWay } from "../task-place.ts";
import { addNodes } from "./add-nodes.ts";
import { fillPayload, Unfillable } from "./fill.ts";
import { hasOpenPortion } from "./place.ts";
import { isFinal, plainTask, queueOf, refusalOf, submit } from "./submit-tasks.ts";

/** @returns whether anything changed */
export async function finish(run: Run, memory: RunMemory, now: number): Promise<boolean> {
  const { head } = memory;
  const { retries } = head;
  if (head.status !== "RUNNING") return false;
  const end = head.decided ?? currentEnd(run, memory);
  if (end === null) return false;
  if (head.decided === null && end !== "SUCCEEDED" && head.compensation === "none" && compensate(run, memory))
    return true;
  if (isToTell(head, end)) {
    // Whoever is told of an end is told the truth: from now on a cancellation changes nothing of it.
    if (head.decided === null) decideOn(run, memory, end);
    if (!(isFree(run, FINISH, now) && (await attempt(run, FINISH, () => tell(run, memory, end))))) return false;
    // Somebody may have taken it up again while that was told.
    if (head.retries !== retries) return true;
  }
  run.change(memory, () => {
    head.status = end;
    head.endedAt = run.ports.now();
    if (head.compensation === "running") head.compensation = wereAllUndone(memory) ? "done" : "failed";
    run.saveHead();
  });
  for (const tellWaiter of [...run.waiters]) tellWaiter();
  return true;
}

function isToTell({ onFinish, finishTask, finishProblem }: RunHead, end: RunEnd): boolean {
  const isDone = finishTask !== null || finishProblem !== null;
  return onFinish !== null && !isDone && (onFinish.on === null || onFinish.on.includes(end));
}

function decideOn(run: Run, { head }: RunMemory, end: RunEnd): void {
  run.transact(() => {
    head.decided = end;
    run.saveHead();
  });
}

/** How it ends as things stand; null: something of it is under way. */
function currentEnd(run: Run, { head, nodes, strays }: RunMemory): RunEnd | null {
  if (strays.size > 0 || nodes.some(isUnderWay)) return null;
  const end = endOf(nodes, head.stop);
  // A node may have got another task since it was sent.
  return end !== null && hasOpenPortion(run) ? null : end;
}

/** @returns whether there is something to undo */
function compensate(run: Run, memory: RunMemory): boolean {
  const { head, nodes } = memory;
  const undone = compensationsOf(
    nodes.map((node) => {
      const spec = node.hasCompensation ? specOf(run.sql, node) : null;
      const compensate = spec?.kind === "task" ? (spec.compensate ?? null) : null;
      const { key, parents, state, endedAt, endedNo } = node;
      return { key, parents, state, endedAt, endedNo, compensate };
    }),
  );
  if (undone.length === 0) return false;
  run.transact(() => {
    for (const { node, compensates } of undone) addNodes(run, memory, [node], compensates);
    head.compensation = "running";
    run.saveHead();
  });
  return true;
}

export function wereAllUndone({ nodes }: RunMemory): boolean {
  return nodes.every(({ isCompensation, state }) => !isCompensation || state === "SUCCEEDED");
}

/** Submits `onFinish`. One that can never be is told in the log, and the run ends without. */
async function tell(run: Run, memory: RunMemory, end: RunEnd): Promise<void> {
  const { head } = memory;
  if (!head.onFinish) return;
  const { retries } = head;
  const { task } = head.onFinish;
  const at = { queue: task.queue as QueueName, shard: task.shard };
  let id: TaskId | null = null;
  let problem: string | null = null;
  try {
    const payload = task.refers ? await fillPayload(run, memory, task, end) : task.payload;
    const answer = await submit(
      run,
      at,
      await queueOf(run, at),
      [plainTask(run, { ...task, payload }, null)],
      `run ${run.id} finish ${head.retries}`,
    );
    const seq = answer.ok ? (answer.seqs[0] ?? null) : null;
    if (seq === null) {
      const refused = refusalOf(answer, 0);
      throw isFinal(refused.code) ? new Unfillable(reasonOf(refused)) : new Error(reasonOf(refused));
    }
    id = taskId(at, seq);
  } catch (error) {
    if (!(error instanceof Unfillable)) throw error;
    problem = error.message;
    run.log("error", "workflow-finish-failed", { run: run.id, detail: problem });
  }
  if (head.retries !== retries) return;
  run.change(memory, () => {
    head.finishTask = id;
    head.finishProblem = problem;
    run.saveHead();
  });
}
