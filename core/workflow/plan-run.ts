/**
 * From a workflow as it was sent to its nodes: in topological order, with parents by index, and references to nodes by
 * their keys in full. Pure. What the tasks are to their types is the door's affair.
 * Must stay true: what is planned can end. So nothing waits for itself, or for what is not there.
 */
import type { FieldError } from "../errors.ts";
import { MAX_ERRORS } from "../explain-issues.ts";
import { findLoss } from "../make-task.ts";
import { MAX_EDGES, type StepTask, type SubmittedWorkflow } from "../schema/workflow.ts";
import type { ParentPolicy } from "../schema/workflow-rpc.ts";
import { findSlips } from "./find-slips.ts";
import { ancestry, orderGraph, type Parents } from "./graph.ts";
import { findRefs, isPointer, mapRefs, parseNodeName, type Ref, type RefKind } from "./refs.ts";
import { type FlatNode, Flattening, type Scope, type Step, tooManyNodes } from "./shapes.ts";

export interface PlannedNode {
  readonly key: string;
  readonly pointer: string;
  /** Indexes into the plan. */
  readonly parents: readonly number[];
  readonly onParentFailure: ParentPolicy;
  readonly step: Step;
}

export interface RunPlan extends Pick<SubmittedWorkflow, "name" | "onFinish" | "timeoutSeconds" | "keepSeconds"> {
  readonly nodes: readonly PlannedNode[];
}
export type Planned = { readonly plan: RunPlan } | { readonly faults: readonly FieldError[] };

/** @param body accepted by its schema */
export function planRun(body: SubmittedWorkflow): Planned {
  const flat = new Flattening(body);
  if (flat.faults.length > 0) return { faults: flat.faults };
  const { nodes } = flat;
  const tooMany = tooManyNodes(nodes.length);
  if (tooMany !== null) return fault("", tooMany);
  const linked = link(nodes);
  if ("faults" in linked) return linked;
  const ordered = orderGraph(linked.parents);
  if ("cycle" in ordered) return cycleFault(nodes, ordered.cycle);
  return plan(body, flat, linked.parents, ordered.order);
}

/** Parents by index. */
function link(nodes: readonly FlatNode[]): { readonly parents: Parents } | { readonly faults: readonly FieldError[] } {
  const indexes = new Map(nodes.map(({ key }, i) => [key, i]));
  const faults: FieldError[] = [];
  let edges = 0;
  const parents = nodes.map((node) =>
    node.parents.flatMap(({ key, pointer }) => {
      const index = indexes.get(key);
      edges++;
      if (index !== undefined) return [index];
      faults.push({ pointer, detail: `there is no node ${key}` });
      return [];
    }),
  );
  if (edges > MAX_EDGES) return fault("", `${edges} dependencies, where a run has ${MAX_EDGES} at most`);
  return faults.length > 0 ? { faults: faults.slice(0, MAX_ERRORS) } : { parents };
}

function cycleFault(nodes: readonly FlatNode[], cycle: readonly number[]): Planned {
  const keys = cycle.map((index) => nodes[index]?.key ?? "");
  const last = nodes[cycle.at(-1) ?? 0];
  const back = last?.parents.find(({ key }) => cycle.some((index) => nodes[index]?.key === key));
  return fault(back?.pointer ?? "", `is a cycle: ${[...keys, keys[0]].join(" → ")}`);
}

function plan(body: SubmittedWorkflow, flat: Flattening, parents: Parents, order: readonly number[]): Planned {
  const { nodes } = flat;
  const places = new Map(order.map((index, place) => [index, place]));
  const known = new Map(nodes.map(({ key }, i) => [key, i]));
  const waitsFor = ancestry(parents, order);
  const faults: FieldError[] = [];
  const checked = (value: unknown, pointer: string, allowed: Allowed): unknown => {
    if (faults.length >= MAX_ERRORS) return value;
    const wrong = faultsOf(value, pointer, known, allowed);
    faults.push(...wrong);
    return wrong.length > 0 ? value : mapRefs(value, ({ kind, told }) => inFull(kind, told, allowed.scope));
  };
  const planned = order.flatMap((index) => {
    const node = nodes[index];
    if (!node) return [];
    const before = { scope: node.scope, own: index, mayName: (other: number) => waitsFor(index, other) };
    const step = checkStep(node, before, checked);
    const list = [...new Set(parents[index])].map((parent) => places.get(parent) ?? 0);
    const { key, pointer, onParentFailure } = node;
    return [{ key, pointer, parents: list, onParentFailure, step }];
  });
  const anyNode: Allowed = { kinds: AFTERWARDS, scope: flat.scope, own: null, mayName: anyNodeAtAll };
  const { name, onFinish, timeoutSeconds, keepSeconds } = body;
  const finish = onFinish && { ...onFinish, payload: checked(onFinish.payload, "/onFinish/payload", anyNode) };
  if (faults.length > 0) return { faults: faults.slice(0, MAX_ERRORS) };
  return { plan: { nodes: planned, name, onFinish: finish, timeoutSeconds, keepSeconds } };
}

/** What a payload may refer to. */
interface Allowed {
  readonly kinds: ReadonlySet<RefKind>;
  readonly scope: Scope;
  /** The node that it is a part of; null: none. */
  readonly own: number | null;
  /** Whether it is known by then what that node gave. */
  readonly mayName: (node: number) => boolean;
}
const anyNodeAtAll = () => true;
const BEFORE: ReadonlySet<RefKind> = new Set(["$result", "$error", "$literal"]);
const OF_ITEM: ReadonlySet<RefKind> = new Set(["$result", "$error", "$literal", "$item", "$index"]);
const AFTERWARDS: ReadonlySet<RefKind> = new Set(["$result", "$error", "$literal", "$run"]);
const AFTERWARDS_OF_ITEM: ReadonlySet<RefKind> = new Set([...AFTERWARDS, ...OF_ITEM]);

type Check = (value: unknown, pointer: string, allowed: Allowed) => unknown;

function checkStep({ step, pointer }: FlatNode, before: Omit<Allowed, "kinds">, check: Check): Step {
  switch (step.kind) {
    case "task":
      return { kind: "task", told: checkTask(step.told, pointer, { ...before, kinds: BEFORE }, AFTERWARDS, check) };
    case "map": {
      const { over, task } = step.told.map;
      const at = `${pointer}/map`;
      const map = {
        over: check(over, `${at}/over`, { ...before, kinds: BEFORE }),
        task: checkTask(task, `${at}/task`, { ...before, kinds: OF_ITEM }, AFTERWARDS_OF_ITEM, check),
      };
      return { kind: "map", told: { ...step.told, map } };
    }
    default:
      return step;
  }
}

interface Undoable {
  readonly payload: unknown;
  readonly compensate?: StepTask | undefined;
}

/** A task's payload, and that of what undoes it when all is over. */
function checkTask<T extends Undoable>(
  told: T,
  pointer: string,
  allowed: Allowed,
  afterwards: ReadonlySet<RefKind>,
  check: Check,
): T {
  const { compensate } = told;
  const payload = check(told.payload, `${pointer}/payload`, allowed);
  if (!compensate) return { ...told, payload };
  const later = { ...allowed, kinds: afterwards, mayName: anyNodeAtAll };
  const undo = { ...compensate, payload: check(compensate.payload, `${pointer}/compensate/payload`, later) };
  return { ...told, payload, compensate: undo };
}

/** Depth first: nothing after it recurses further than that. */
function faultsOf(value: unknown, pointer: string, known: ReadonlyMap<string, number>, allowed: Allowed): FieldError[] {
  const loss = findLoss(value);
  if (loss) return [{ ...loss, pointer: pointer + loss.pointer }];
  const faults: FieldError[] = [];
  for (const slip of findSlips(value, pointer)) if (faults.push(slip) >= MAX_ERRORS) return faults;
  return [...faults, ...findRefs(value, pointer).flatMap((ref) => problemOf(ref, known, allowed))];
}

function problemOf({ kind, told, pointer }: Ref, known: ReadonlyMap<string, number>, allowed: Allowed): FieldError[] {
  const wrong = (detail: string) => [{ pointer: `${pointer}/${kind}`, detail }];
  if (!allowed.kinds.has(kind)) return wrong("has no meaning here");
  if (kind === "$literal") return [];
  if (kind === "$index") return told === true ? [] : wrong("must be true");
  if (kind === "$item")
    return typeof told === "string" && isPointer(told) ? [] : wrong('must be a JSON Pointer, or ""');
  if (kind === "$run") return isRunField(told) ? [] : wrong(`must be one of ${RUN_FIELDS.join(", ")}`);
  const name = parseNodeName(told);
  if (name === null) return wrong("must be a node's key, or key/pointer");
  const index = known.get(allowed.scope.resolve(name.key));
  if (index === undefined) return wrong(`there is no node ${name.key}`);
  if (allowed.mayName(index)) return [];
  return wrong(`${name.key} is no node that this one waits for: name it in dependsOn`);
}

export const RUN_FIELDS = ["id", "status", "failed"] as const;
export type RunField = (typeof RUN_FIELDS)[number];
export function isRunField(told: unknown): told is RunField {
  return RUN_FIELDS.some((field) => field === told);
}

function inFull(kind: RefKind, told: unknown, scope: Scope): unknown {
  const name = kind === "$result" || kind === "$error" ? parseNodeName(told) : null;
  return name === null ? told : scope.resolve(name.key) + name.pointer;
}

function fault(pointer: string, detail: string): { readonly faults: readonly FieldError[] } {
  return { faults: [{ pointer, detail }] };
}
