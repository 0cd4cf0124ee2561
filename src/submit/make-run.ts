/** From a workflow as it was sent to the run that its object keeps. Faults are collected, with their places in the body. */
import { utf8Bytes } from "../../core/bytes.ts";
import type { FieldError } from "../../core/errors.ts";
import { Problem } from "../../core/errors.ts";
import { MAX_ERRORS } from "../../core/explain-issues.ts";
import type { RunId } from "../../core/ids.ts";
import { type Fault, under } from "../../core/make-task.ts";
import { MAX_RUN_BYTES, type StepTask, type SubmittedWorkflow } from "../../core/schema/workflow.ts";
import type { FinishTask, NodeDefinition, NodeTask, RunDefinition } from "../../core/schema/workflow-rpc.ts";
import { makeNodeTask } from "../../core/workflow/make-node-task.ts";
import { type PlannedNode, planRun } from "../../core/workflow/plan-run.ts";
import { deadlineOf } from "../../reads/ask.ts";
import type { Door } from "../door.ts";
import { isResolved, type Resolved, type Resolving, resolveTask } from "./resolve-task.ts";

/** How long a run is kept that says nothing of it: as long as history keeps tasks. */
const KEEP_S = 30 * 86_400;

/** @throws Problem where the workflow can't be: every fault with its place; or where the Directory does not answer */
export async function makeRun(
  door: Resolving & Pick<Door, "ports">,
  body: SubmittedWorkflow,
  run: RunId,
): Promise<RunDefinition> {
  const planned = planRun(body);
  if ("faults" in planned) throw wrong(planned.faults);
  const { nodes, onFinish } = planned.plan;
  const making = new Making(door, run);
  const made: NodeDefinition[] = [];
  for (const node of nodes) {
    const definition = await making.node(node);
    if (definition) made.push(definition);
  }
  const finish = onFinish && (await making.task(onFinish, "/onFinish"));
  if (making.faults.length > 0) throw wrong(making.faults.slice(0, MAX_ERRORS));
  const bytes = made.reduce((sum, node) => sum + bytesOf(node), 0);
  if (bytes > MAX_RUN_BYTES)
    throw new Problem("body-too-large", `The payloads are ${bytes} bytes; a run has ${MAX_RUN_BYTES} at most.`);
  const told: FinishTask | null = finish ? { task: finish, on: onFinish?.on ?? null } : null;
  return { name: body.name ?? null, nodes: made, onFinish: told, keepMs: (body.keepSeconds ?? KEEP_S) * 1_000 };
}

function wrong(errors: readonly FieldError[]): Problem {
  const [first] = errors;
  const detail = first
    ? `${first.pointer === "" ? "The workflow" : `${first.pointer}:`} ${first.detail}.`
    : "The workflow is wrong.";
  return new Problem("invalid-request", detail, { errors });
}

function bytesOf(node: NodeDefinition): number {
  return node.kind === "task" || node.kind === "map" ? utf8Bytes(node.task.payload) : 0;
}

class Making {
  readonly faults: FieldError[] = [];
  readonly #door: Resolving & Pick<Door, "ports">;
  readonly #run: RunId;
  readonly #resolved = new Map<string, Resolved | Fault>();

  constructor(door: Resolving & Pick<Door, "ports">, run: RunId) {
    this.#door = door;
    this.#run = run;
  }

  /** null: it has faults. */
  async node({ step, key, parents, onParentFailure, pointer }: PlannedNode): Promise<NodeDefinition | null> {
    const base = { key, parents, onParentFailure };
    switch (step.kind) {
      case "task": {
        const { compensate, ...told } = step.told;
        const task = await this.task(told, pointer);
        const undo = compensate && (await this.task(compensate, `${pointer}/compensate`));
        return task && { ...base, kind: "task", task, ...(undo && { compensate: undo }) };
      }
      case "map": {
        const task = await this.task(step.told.map.task, `${pointer}/map/task`);
        return task && { ...base, kind: "map", over: JSON.stringify(step.told.map.over), task };
      }
      case "signal": {
        const { waitFor, timeoutSeconds } = step.told;
        const timeoutMs = timeoutSeconds === undefined ? null : Math.round(timeoutSeconds * 1_000);
        return { ...base, kind: "signal", signal: waitFor, timeoutMs };
      }
      default:
        return { ...base, kind: "join", of: step.of };
    }
  }

  async task(told: StepTask, pointer: string): Promise<NodeTask | null> {
    const resolved = await this.#resolve(told);
    const made = isResolved(resolved) ? makeNodeTask(told, resolved, this.#run, this.#door.ports.now()) : resolved;
    if (!("code" in made)) return made;
    this.faults.push(...under(pointer, made).errors);
    return null;
  }

  async #resolve({ type, queue }: StepTask): Promise<Resolved | Fault> {
    const key = `${type} ${queue ?? ""}`;
    const known = this.#resolved.get(key);
    if (known) return known;
    const found = await resolveTask(this.#door, type, queue, deadlineOf(this.#door.ports));
    this.#resolved.set(key, found);
    return found;
  }
}
