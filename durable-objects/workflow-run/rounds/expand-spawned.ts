/**
 * What a handler spawned becomes nodes of its run, and whoever waits for the spawner waits for them too. It was checked
 * where it was spawned (consumers/spawn.ts), by the schema that reads it here.
 */
import { utf8Bytes } from "../../../core/bytes.ts";
import { explainIssues } from "../../../core/explain-issues.ts";
import { DEFAULT_QUEUE, type QueueName } from "../../../core/ids.ts";
import { declaredType } from "../../../core/make-task.ts";
import { DEFAULT_SETTINGS } from "../../../core/schema/queue-settings.ts";
import { SpawnedListSchema, type SpawnedTask } from "../../../core/schema/workflow.ts";
import type { NodeDefinition, NodeTask } from "../../../core/schema/workflow-rpc.ts";
import { makeNodeTask } from "../../../core/workflow/make-node-task.ts";
import { deadlineOf } from "../../../reads/ask.ts";
import { endNode } from "../end-node.ts";
import { forgetSpawned, type RunNode, saveNode, spawnedOf, specOf } from "../node-rows.ts";
import type { Run, RunMemory } from "../run.ts";
import { addNodes, findExcess } from "./add-nodes.ts";
import { isRight } from "./fill.ts";

/** @throws where nobody can be asked now which types and queues there are */
export async function expandSpawned(run: Run, memory: RunMemory, node: RunNode): Promise<void> {
  const parsed = SpawnedListSchema.safeParse(JSON.parse(spawnedOf(run.sql, node) ?? "[]"));
  const made: Made[] = [];
  for (const told of parsed.data ?? []) made.push(await make(run, node, told));
  if (node.state !== "spawning") return;
  run.change(memory, () => {
    const [fault] = parsed.success ? [] : explainIssues(parsed.error.issues);
    const problem: Problem | null = fault
      ? ["payload-invalid", `what it spawned is no list of tasks: ${fault.pointer} ${fault.detail}`]
      : add(run, memory, node, made);
    node.state = problem === null ? "SUCCEEDED" : "FAILED";
    if (problem !== null) [node.code, node.message] = problem;
    saveNode(run.sql, node);
    forgetSpawned(run.sql, node);
  });
}

type Problem = readonly [code: "workflow-too-large" | "payload-invalid", message: string];

/** Inside a transaction. @returns why none of them was added */
function add(run: Run, memory: RunMemory, node: RunNode, made: readonly Made[]): Problem | null {
  const first = memory.nodes.length;
  const places = new Map(made.map(({ told }, index) => [told.key, first + index]));
  const definitions = made.map(({ told, task }): NodeDefinition => {
    const { key, dependsOn = [], onParentFailure = "fail" } = told;
    const parents = [...new Set([node.i, ...dependsOn.flatMap((name) => places.get(name) ?? [])])];
    return { key: `${node.key}.${key}`, kind: "task", parents, onParentFailure, task };
  });
  // Nobody of them has begun, because the spawner had not ended for them.
  const waiters = memory.nodes.filter(({ state, parents }) => state === "waiting" && parents.includes(node.i));
  const excess = findExcess(memory, {
    nodes: made.length,
    edges: definitions.reduce((sum, { parents }) => sum + parents.length, waiters.length * made.length),
    bytes: made.reduce((sum, { task }) => sum + utf8Bytes(task.payload), 0),
  });
  if (excess !== null) return ["workflow-too-large", `it spawned ${made.length} tasks, and ${excess}`];
  const added = addNodes(run, memory, definitions, node.compensates);
  for (const [index, { told, isKnown }] of made.entries()) {
    const child = added[index];
    if (!child || isKnown) continue;
    const message = `nobody knows the type ${told.type}`;
    endNode(run, memory, child, { status: "FAILED", code: "payload-invalid", message, at: run.ports.now() });
  }
  for (const waiter of waiters) waitFor(run, waiter, added);
  return null;
}

/** Inside a transaction. */
function waitFor(run: Run, waiter: RunNode, added: readonly RunNode[]): void {
  const spec = specOf(run.sql, waiter);
  const given = waiter.parents.length;
  waiter.parents = [...waiter.parents, ...added.map(({ i }) => i)];
  // What it joins stays what it was: the results of what its parents spawned are no part of its own.
  saveNode(run.sql, waiter, spec.kind === "join" ? { spec: { given, ...spec } } : {});
}

interface Made {
  readonly told: SpawnedTask;
  readonly task: NodeTask;
  /** Whether anybody knows its type; a queue that is not there is told when it is placed. */
  readonly isKnown: boolean;
}

/** Where its type goes, as at the door. */
async function make(run: Run, spawner: RunNode, told: SpawnedTask): Promise<Made> {
  const deadline = deadlineOf(run.ports);
  const handled = run.ports.taskType(told.type);
  const { route, declared } = await run.known.route(told.type, handled !== null, deadline);
  const queue = (told.queue as QueueName | undefined) ?? route ?? spawner.at?.queue ?? DEFAULT_QUEUE;
  const found = await run.known.queue(queue, true, deadline);
  const step = {
    type: { ...(handled ?? declaredType(told.type)), payload: null },
    entry: { queue, settings: found?.settings ?? DEFAULT_SETTINGS },
  };
  const { payload } = told;
  const made = makeNodeTask({ ...told, payload: null }, step, run.id, run.ports.now());
  if ("code" in made) throw new Error(`${told.key} was spawned, and can be no task: ${made.detail}`);
  // Its payload is data, whatever it looks like. One that does not fit its type, which another deployment's handler
  // spawned, ends by its release, which checks it, and without a run.
  const isFit = isRight(run, made, payload);
  const text = JSON.stringify(isFit ? payload : { $literal: payload });
  return { told, task: { ...made, payload: text, refers: !isFit }, isKnown: handled !== null || declared };
}
