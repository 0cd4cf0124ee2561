/** A worker begins a task: it must be one that was committed, as its payload is now, and where it is to run alone, alone. */
import type { Seq } from "../../core/ids.ts";
import { checkAlone, checkOnce, isHeld } from "./check-leases.ts";
import { checkReleased } from "./check-nodes.ts";
import type { Host } from "./host.ts";
import type { Execution, Model, Stay } from "./model.ts";
import type { Script } from "./script.ts";
import type { Timeline } from "./timeline.ts";
import { must } from "./violation.ts";

export interface BeginDeps {
  readonly model: Model;
  readonly timeline: Timeline;
  readonly host: Host;
}

/** @returns the execution, as the model has it, and which of its task's it is */
export function begin(
  { model, timeline, host }: BeginDeps,
  seq: Seq,
  attempt: number,
  stay: Stay,
  script: Script,
): { execution: Execution; run: number } {
  const lost = model.forgotten.get(seq);
  const task = model.tasks.get(seq) ?? lost;
  must(task != null, () => `${stay.worker} runs task ${seq}, which no commit has`);
  checkReleased(seq, script, model);
  checkAlone(task, attempt, stay, host.shard);
  const isAsTold = !model.edited.has(seq) || script.isEdited === true || task.replacedAfter !== null;
  must(isAsTold || !isHeld(seq, attempt, stay, host.shard), () => `task ${seq} runs with its former payload`);
  if (!lost) checkOnce(task, host.gate);
  const execution: Execution = {
    attempt,
    stay,
    startedAt: timeline.now,
    isTold: false,
    end: null,
    result: null,
  };
  task.executions.push(execution);
  return { execution, run: task.executions.length };
}
