/**
 * From a workflow as it was sent to the run that its object keeps. Pure: who asks knows the types and queues (`resolve`),
 * a door that of a POST, a Directory that of the moment of a fire. Faults are collected, with their places in the body.
 */
import { exceedsBytes, MAX_RESULT_BYTES, MIB } from "../bytes.ts";
import type { FieldError } from "../errors.ts";
import { MAX_ERRORS } from "../explain-issues.ts";
import type { RunId } from "../ids.ts";
import { type Fault, under } from "../make-task.ts";
import type { StepTask } from "../schema/workflow.ts";
import type { FinishTask, NodeDefinition, NodeTask, RunDefinition } from "../schema/workflow-rpc.ts";
import { makeNodeTask, type ResolvedStep } from "./make-node-task.ts";
import type { Planned, PlannedNode } from "./plan-run.ts";

/** How long a run is kept that says nothing of it: as long as history keeps tasks. */
const KEEP_S = 30 * 86_400;

/** What a step's type is and its queue, or why there is none such; pointers from the step. */
export type Resolve = (type: string, queue: string | undefined) => ResolvedStep | Fault;
export type MadeRun = { readonly definition: RunDefinition } | { readonly faults: readonly FieldError[] };

/**
 * The tasks that a workflow asks for, so that their types and queues can be asked about before it is made; none where it
 * is at fault in itself.
 */
export function stepsOf(planned: Planned): StepTask[] {
  if ("faults" in planned) return [];
  const { nodes, onFinish } = planned.plan;
  const steps = nodes.flatMap(({ step }): StepTask[] => {
    if (step.kind !== "task" && step.kind !== "map") return [];
    const { compensate, ...told } = step.kind === "map" ? step.told.map.task : step.told;
    return compensate ? [told, compensate] : [told];
  });
  return onFinish ? [...steps, onFinish] : steps;
}

/**
 * @param run decides the shards of tasks without a limitKey
 * @param now Unix ms
 */
export function makeRun(planned: Planned, resolve: Resolve, run: RunId, now: number): MadeRun {
  if ("faults" in planned) return planned;
  const { nodes, name = null, onFinish, timeoutSeconds, keepSeconds = KEEP_S } = planned.plan;
  const making = new Making(resolve, run, now);
  const made = nodes.flatMap((node) => making.node(node) ?? []);
  const finish = onFinish && making.task(onFinish, "/onFinish");
  if (making.faults.length > 0) return { faults: making.faults.slice(0, MAX_ERRORS) };
  const told: FinishTask | null = finish ? { task: finish, on: onFinish?.on ?? null } : null;
  const timeoutMs = msOf(timeoutSeconds);
  return { definition: { name, nodes: made, onFinish: told, timeoutMs, keepMs: keepSeconds * 1_000 } };
}

/** A list that stands in the workflow is bounded as one that is a result. */
const TOO_LONG = `is over ${MAX_RESULT_BYTES / MIB} MiB of JSON text: have a task give the list, or a part of it`;

function msOf(seconds: number | undefined): number | null {
  return seconds === undefined ? null : Math.max(1, Math.round(seconds * 1_000));
}

class Making {
  readonly faults: FieldError[] = [];
  readonly #resolve: Resolve;
  readonly #run: RunId;
  readonly #now: number;

  constructor(resolve: Resolve, run: RunId, now: number) {
    this.#resolve = resolve;
    this.#run = run;
    this.#now = now;
  }

  /** null: it has faults. */
  node({ step, key, parents, onParentFailure, pointer }: PlannedNode): NodeDefinition | null {
    const base = { key, parents, onParentFailure };
    switch (step.kind) {
      case "task": {
        const made = this.undoable(step.told, pointer);
        return made && { ...base, kind: "task", ...made };
      }
      case "map": {
        const made = this.undoable(step.told.map.task, `${pointer}/map/task`);
        const over = JSON.stringify(step.told.map.over);
        if (exceedsBytes(over, MAX_RESULT_BYTES))
          this.faults.push({ pointer: `${pointer}/map/over`, detail: TOO_LONG });
        return made && { ...base, kind: "map", over, ...made };
      }
      case "signal": {
        const { waitFor, timeoutSeconds } = step.told;
        return { ...base, kind: "signal", signal: waitFor, timeoutMs: msOf(timeoutSeconds) };
      }
      default:
        return { ...base, kind: "join", of: step.of };
    }
  }

  /** A task, and what undoes it. */
  undoable({ compensate, ...told }: StepTask & { readonly compensate?: StepTask | undefined }, pointer: string) {
    const task = this.task(told, pointer);
    const undo = compensate && this.task(compensate, `${pointer}/compensate`);
    return task && { task, ...(undo && { compensate: undo }) };
  }

  task(told: StepTask, pointer: string): NodeTask | null {
    const resolved = this.#resolve(told.type, told.queue);
    const made = "code" in resolved ? resolved : makeNodeTask(told, resolved, this.#run, this.#now);
    if (!("code" in made)) return made;
    this.faults.push(...under(pointer, made).errors);
    return null;
  }
}
