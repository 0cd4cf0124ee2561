/** The run is to end: what waits never runs, what runs is asked to stop. Safe to repeat, refused where it ended otherwise. */
import type { Versioned } from "../../../core/schema/answer.ts";
import type { RunAnswer } from "../../../core/schema/workflow-rpc.ts";
import { arm } from "../arm.ts";
import { type Run, type RunMemory, refuse, withRun } from "../run.ts";
import { stop } from "../stop.ts";
import { toRunRecord } from "./read.ts";

export function cancel(run: Run, _request: Versioned): RunAnswer {
  return withRun(run, (memory) => {
    const { head } = memory;
    if (head.status === "SUCCEEDED" || head.status === "FAILED")
      return refuse("workflow-finished", `The run is ${head.status}.`);
    if (head.status === "RUNNING" && head.decided !== null) {
      giveUpTelling(run, memory);
      arm(run, run.ports.now());
    } else if (head.status === "RUNNING" && head.stop === null) {
      stop(run, memory, "cancelled");
      arm(run, run.ports.now());
    }
    return { v: 1, ok: true, run: toRunRecord(run, memory) };
  });
}

/** All of it has ended but the word of that: so it ends without. */
function giveUpTelling(run: Run, { head }: RunMemory): void {
  if (head.finishTask !== null || head.finishProblem !== null) return;
  run.transact(() => {
    head.finishProblem = "the run was cancelled before it could be submitted";
    run.saveHead();
  });
}
