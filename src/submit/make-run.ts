/** A workflow as it was sent, checked and made a run: what its types and queues are is asked of the Directory. */
import { type FieldError, Problem } from "../../core/errors.ts";
import type { RunId } from "../../core/ids.ts";
import type { Fault } from "../../core/make-task.ts";
import type { SubmittedWorkflow } from "../../core/schema/workflow.ts";
import type { RunDefinition } from "../../core/schema/workflow-rpc.ts";
import { makeRun as make, stepsOf } from "../../core/workflow/make-run.ts";
import { planRun } from "../../core/workflow/plan-run.ts";
import { deadlineOf } from "../../reads/ask.ts";
import type { Door } from "../door.ts";
import { type Resolved, type Resolving, resolveTask } from "./resolve-task.ts";

/**
 * @param prefix where the workflow stands in the body
 * @throws Problem where the workflow can't be: every fault with its place; or where the Directory does not answer
 */
export async function makeRun(
  door: Resolving & Pick<Door, "ports">,
  body: SubmittedWorkflow,
  run: RunId,
  prefix = "",
): Promise<RunDefinition> {
  const resolved = new Map<string, Resolved | Fault>();
  const named = (type: string, queue: string | undefined) => `${type} ${queue ?? ""}`;
  const planned = planRun(body);
  for (const { type, queue } of stepsOf(planned))
    if (!resolved.has(named(type, queue)))
      resolved.set(named(type, queue), await resolveTask(door, type, queue, deadlineOf(door.ports)));
  const resolve = (type: string, queue: string | undefined) => {
    const found = resolved.get(named(type, queue));
    if (!found) throw new Error(`the type ${type} of a workflow was not asked about`);
    return found;
  };
  const made = make(planned, resolve, run, door.ports.now());
  if ("definition" in made) return made.definition;
  throw wrong(made.faults, prefix);
}

function wrong(faults: readonly FieldError[], prefix: string): Problem {
  const errors = faults.map(({ pointer, detail }) => ({ pointer: `${prefix}${pointer}`, detail }));
  const [first] = errors;
  const detail = first
    ? `${first.pointer === "" ? "The workflow" : `${first.pointer}:`} ${first.detail}.`
    : "The workflow is wrong.";
  return new Problem("invalid-request", detail, { errors });
}
