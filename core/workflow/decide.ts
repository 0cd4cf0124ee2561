/**
 * What becomes of the nodes of a run that wait, and of the run. Pure: the run's object keeps the nodes, asks here after
 * each change, and does what is said.
 * Must stay true: a node whose parents have all ended does not wait, so a run of finitely many nodes ends.
 */
import type { EndCode } from "../errors.ts";
import type { NodeKind, ParentPolicy, RunEnd } from "../schema/workflow-rpc.ts";
import type { FinishedStatus } from "../status.ts";
import { childrenOf } from "./graph.ts";

/** waiting: for parents. ready: it may run, or does. spawning: it did, and what it spawned is no node yet. Else how it ended. */
export type NodeState = "waiting" | "ready" | "spawning" | FinishedStatus;

export interface NodeHead {
  readonly kind: NodeKind;
  readonly parents: readonly number[];
  readonly onParentFailure: ParentPolicy;
  readonly state: NodeState;
  /** Why it ended; null: it has not, or SUCCEEDED. */
  readonly code: EndCode | null;
  /** It undoes another, or was spawned by what does: how it ends is no part of how the run does. */
  readonly isCompensation: boolean;
  /** A map whose tasks are there: it joins them, and what it says of its parents was of others. */
  readonly isMap?: boolean;
  /** It undoes another by itself: when those before it have, however they ended. */
  readonly isUndo?: boolean;
}

export interface NodeVerdict {
  readonly status: "SUCCEEDED" | "FAILED" | "CANCELLED";
  /** null: SUCCEEDED. */
  readonly code: Extract<EndCode, "parent-failed" | "parent-cancelled" | "skipped" | "cancelled"> | null;
}
/** What a node that waits does now. */
export type Decision =
  | { readonly index: number; readonly to: "ready" }
  | ({ readonly index: number; readonly to: "end" } & NodeVerdict);

export function isEnded(state: NodeState): state is FinishedStatus {
  return state !== "waiting" && state !== "ready" && state !== "spawning";
}

/** Decides for every node that waits, as far as it goes from here: what one ends by may end the next. */
export function decide(nodes: readonly NodeHead[], isStopped: boolean): Decision[] {
  const now: NodeHead[] = [...nodes];
  const decisions: Decision[] = [];
  // Most parents stand before their children, so one walk sees nearly all; a map's or a spawner's stand behind.
  for (let before = -1; before < decisions.length; ) {
    before = decisions.length;
    let isUndoing = false;
    for (const [index, node] of now.entries()) {
      const isLater = node.isUndo && isUndoing;
      if (node.isUndo && !isEnded(node.state)) isUndoing = true;
      if (node.state !== "waiting" || isLater) continue;
      const parents = node.parents.map((parent) => now[parent] ?? MISSING);
      const verdict = judge(node, parents, isStopped);
      if (verdict === "wait") continue;
      if (verdict === "ready") {
        decisions.push({ index, to: "ready" });
        now[index] = { ...node, state: "ready" };
      } else {
        decisions.push({ index, to: "end", ...verdict });
        now[index] = { ...node, state: verdict.status, code: verdict.code };
      }
    }
  }
  return decisions;
}

type Parent = Pick<NodeHead, "state" | "code">;
const MISSING: Parent = { state: "CANCELLED", code: "cancelled" };

function judge(node: NodeHead, parents: readonly Parent[], isStopped: boolean): "wait" | "ready" | NodeVerdict {
  if (isStopped && !node.isCompensation) return { status: "CANCELLED", code: "cancelled" };
  const areAllEnded = parents.every(({ state }) => isEnded(state));
  const bad = parents.filter(isBad);
  // A join stands for all of its parents: it ends when they have, not when the first one failed.
  if (node.kind === "join" && !areAllEnded) return "wait";
  if (bad.length > 0 && policyOf(node) !== "continue") return endBy(node, bad);
  if (!areAllEnded) return "wait";
  return node.kind === "join" ? { status: "SUCCEEDED", code: null } : "ready";
}

function policyOf({ isMap, onParentFailure }: NodeHead): ParentPolicy {
  return isMap ? "fail" : onParentFailure;
}

function endBy(node: NodeHead, bad: readonly Parent[]): NodeVerdict {
  if (policyOf(node) === "skip" || bad.every(isSkipped)) return { status: "CANCELLED", code: "skipped" };
  const hasFailed = bad.some(({ state }) => state === "FAILED" || state === "EXPIRED");
  return hasFailed ? { status: "FAILED", code: "parent-failed" } : { status: "CANCELLED", code: "parent-cancelled" };
}

/** Why nothing of a run begins any more: somebody cancelled it, or its time is over. */
export type Stop = "cancelled" | "timeout";

/** How the run ends; null: nodes of it have not ended. */
export function endOf(nodes: readonly NodeHead[], stop: Stop | null): RunEnd | null {
  if (nodes.some(({ state }) => !isEnded(state))) return null;
  if (stop !== null) return stop === "timeout" ? "FAILED" : "CANCELLED";
  const open = unhandled(nodes).map((index) => nodes[index]?.state);
  if (open.some((state) => state === "FAILED" || state === "EXPIRED")) return "FAILED";
  return open.length > 0 ? "CANCELLED" : "SUCCEEDED";
}

/** Nodes that ended badly, not skipped, and that nobody looks after: no child says `continue`, nor one of a join's. */
export function unhandled(nodes: readonly NodeHead[]): number[] {
  const children = childrenOf(nodes.map(({ parents }) => parents));
  const isHandled = (index: number): boolean =>
    (children[index] ?? []).some((child) => {
      const node = nodes[child];
      return (node && policyOf(node) === "continue") || (node?.kind === "join" && isHandled(child));
    });
  return nodes.flatMap((node, index) =>
    isBad(node) && !isSkipped(node) && !node.isCompensation && !isHandled(index) ? [index] : [],
  );
}

function isBad({ state }: Pick<NodeHead, "state">): boolean {
  return isEnded(state) && state !== "SUCCEEDED";
}

/** It was not to run. */
function isSkipped({ code }: Pick<NodeHead, "code">): boolean {
  return code === "skipped";
}

/** Whether it ended only because of another: it is tried again with that one, never by itself. */
export function isBecause(code: EndCode | null): boolean {
  return code !== null && BECAUSE.has(code);
}

/** Nodes that failed by themselves, whether anybody looks after that or not; those that undo others aside. */
export function failedOf(nodes: readonly NodeHead[]): number[] {
  return nodes.flatMap(({ state, code, isCompensation }, index) =>
    (state === "FAILED" || state === "EXPIRED") && !isCompensation && !isBecause(code) ? [index] : [],
  );
}

/**
 * What is to run again with nodes that are tried again: themselves, what they wait for that ended badly and would end them at
 * once, and all that ended, without a run, because of one of these.
 */
export function resumed(nodes: readonly NodeHead[], tried: readonly number[]): ReadonlySet<number> {
  const again = new Set(tried);
  for (const index of again) {
    const node = nodes[index];
    if (!node || policyOf(node) === "continue") continue;
    for (const parent of node.parents) if (isBad(nodes[parent] ?? MISSING)) again.add(parent);
  }
  for (let before = -1; before < again.size; ) {
    before = again.size;
    for (const [index, { parents, code }] of nodes.entries())
      if (isBecause(code) && parents.some((parent) => again.has(parent))) again.add(index);
  }
  return again;
}

/** Why a node ended that did not run. */
const BECAUSE: ReadonlySet<EndCode> = new Set(["parent-failed", "parent-cancelled", "skipped"]);
