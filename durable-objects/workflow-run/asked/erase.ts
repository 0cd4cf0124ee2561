/** A run that has ended is forgotten: when its time is over, or when somebody asks for it. */
import type { Answer, Versioned } from "../../../core/schema/answer.ts";
import { attempt, isFree } from "../reach.ts";
import { unlistRun } from "../rounds/list-run.ts";
import { isFireOwed, noSuchRun, type Run, type RunMemory, refuse } from "../run.ts";

const FORGET = "forget";

export async function erase(run: Run, _request: Versioned): Promise<Answer<object>> {
  const { memory } = run;
  if (!memory) return noSuchRun(run.id);
  if (memory.head.status === "RUNNING") return refuse("workflow-running", "The run has not ended. Cancel it first.");
  try {
    await forget(run, memory);
  } catch (error) {
    run.log("warn", "history-unavailable", { run: run.id, reason: String(error) });
    return refuse("history-unavailable", "The list of runs does not answer. Nothing is deleted yet; come again.");
  }
  return { v: 1, ok: true };
}

/** @returns whether anything changed */
export async function forgetPast(run: Run, memory: RunMemory, now: number): Promise<boolean> {
  const { endedAt, keepMs } = memory.head;
  if (isFireOwed(memory)) return false;
  if (endedAt === null || endedAt + keepMs > now || !isFree(run, FORGET, now)) return false;
  return await attempt(run, FORGET, () => forget(run, memory));
}

async function forget(run: Run, memory: RunMemory): Promise<void> {
  run.isForgetting = true;
  try {
    // A row on its way would come after its end.
    await run.listing;
    await unlistRun(run, memory);
    if (run.memory !== memory || memory.head.status === "RUNNING") throw new Error("the run was taken up again");
    await run.host.deleteAll();
    run.forget();
  } finally {
    run.isForgetting = false;
  }
}
