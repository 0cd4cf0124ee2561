/**
 * The shapes of a workflow as one flat list of nodes that name their parents: chain, group, chord and workflows within
 * workflows are sugar over the DAG. A node within the node `S` has the key `S.a`; it sees its siblings by their own keys,
 * and what stands around `S` besides.
 */

import type { FieldError } from "../errors.ts";
import { explainIssues, MAX_ERRORS } from "../explain-issues.ts";
import {
  MAX_NESTING,
  MAX_NODES,
  type MapNode,
  NODE_SCHEMAS,
  type Shape,
  type SignalNode,
  type SubmittedNode,
  type SubNode,
  type TaskNode,
} from "../schema/workflow.ts";
import type { JoinResult, ParentPolicy } from "../schema/workflow-rpc.ts";

export type Step =
  | { readonly kind: "task"; readonly told: TaskNode }
  | { readonly kind: "signal"; readonly told: SignalNode }
  | { readonly kind: "map"; readonly told: MapNode }
  | { readonly kind: "join"; readonly of: JoinResult };

/** A node that names its parents; they may not be there. */
export interface FlatNode {
  readonly key: string;
  /** Where it stands in the body; a join: where what it joins does. */
  readonly pointer: string;
  readonly parents: readonly { readonly key: string; readonly pointer: string }[];
  readonly onParentFailure: ParentPolicy;
  readonly step: Step;
  readonly scope: Scope;
}

/** The keys that a node may name, and what they are called in the whole. */
export class Scope {
  readonly #prefix: string;
  readonly #outer: Scope | null;
  readonly #keys = new Set<string>();

  constructor(prefix = "", outer: Scope | null = null) {
    this.#prefix = prefix;
    this.#outer = outer;
  }

  get depth(): number {
    return this.#outer === null ? 0 : this.#outer.depth + 1;
  }

  /** false: it was there. */
  add(key: string): boolean {
    if (this.#keys.has(key)) return false;
    this.#keys.add(key);
    return true;
  }

  full(key: string): string {
    return this.#prefix + key;
  }

  /** A key as it stands here, in full: `a`, or `S.a` for what is within `S`. Whether it is there is not looked at. */
  resolve(key: string): string {
    const [first = key] = key.split(".", 1);
    return this.#keys.has(first) || this.#outer === null ? this.full(key) : this.#outer.resolve(key);
  }

  within(key: string): Scope {
    return new Scope(`${this.full(key)}.`, this);
  }
}

interface Place {
  readonly scope: Scope;
  readonly pointer: string;
  /** What the roots of the shape wait for, and what they do where that fails and they say nothing themselves. */
  readonly after: FlatNode["parents"];
  readonly onParentFailure: ParentPolicy;
}

/** Flattens the shapes of one body. Faults are collected: nodes are complete only where there is none. */
export class Flattening {
  readonly nodes: FlatNode[] = [];
  readonly faults: FieldError[] = [];
  readonly scope = new Scope();

  constructor(shape: Shape) {
    this.#shape(shape, { scope: this.scope, pointer: "", after: [], onParentFailure: "fail" });
  }

  /** @returns the keys, in full, of its nodes in order, those within nodes excluded */
  #shape(shape: Shape, place: Place): string[] {
    const { tasks, chain, group, chord } = shape;
    if (tasks) return this.#tasks(tasks, place);
    if (chain) return this.#chain(chain, place);
    if (group) return this.#group(group, { ...place, pointer: `${place.pointer}/group` });
    if (chord) return this.#chord(chord, place);
    throw new TypeError("the schema lets no workflow without a shape pass");
  }

  #tasks(raws: readonly unknown[], place: Place): string[] {
    const read = this.#readAll(raws, `${place.pointer}/tasks`);
    // All keys first: a node may depend on one that stands further down.
    for (const { node, pointer } of read)
      if (node.key === undefined) this.#fault(`${pointer}/key`, "is required");
      else this.#claim(node.key, `${pointer}/key`, place);
    return read.flatMap(({ node, pointer }) => {
      if (node.key === undefined) return [];
      const told = (node.dependsOn ?? []).map((key, i) => ({
        key: place.scope.resolve(key),
        pointer: `${pointer}/dependsOn/${i}`,
      }));
      const parents = told.length > 0 ? told : place.after;
      return [this.#add(node, node.key, pointer, parents, told.length > 0 ? {} : place, place)];
    });
  }

  #chain(raws: readonly unknown[], place: Place): string[] {
    let before: Pick<Place, "after" | "onParentFailure"> = place;
    const keys: string[] = [];
    for (const { node, pointer, key } of this.#members(raws, { ...place, pointer: `${place.pointer}/chain` })) {
      const full = this.#add(node, key, pointer, before.after, before, place);
      before = { after: [{ key: full, pointer }], onParentFailure: "fail" };
      keys.push(full);
    }
    return keys;
  }

  #group(raws: readonly unknown[], place: Place): string[] {
    return this.#members(raws, place).map(({ node, pointer, key }) =>
      this.#add(node, key, pointer, place.after, place, place),
    );
  }

  /** A group, the join `group` of it, and one node after that. */
  #chord({ group, finally: last }: NonNullable<Shape["chord"]>, place: Place): string[] {
    const pointer = `${place.pointer}/chord`;
    // First of all, so that a member of this key is told, which is what can be mended.
    this.#claim("group", pointer, place);
    const members = this.#group(group, { ...place, pointer: `${pointer}/group` });
    const join = this.#join(place.scope.full("group"), `${pointer}/group`, members, "list", place.scope);
    const node = this.#readNode(last, `${pointer}/finally`);
    if (!node) return members;
    const key = node.key ?? "finally";
    this.#refuseDependsOn(node, `${pointer}/finally`);
    if (!this.#claim(key, keyPointer(node, `${pointer}/finally`), place)) return members;
    const after = [{ key: join, pointer: `${pointer}/group` }];
    return [...members, this.#add(node, key, `${pointer}/finally`, after, {}, place)];
  }

  /** Nodes whose places say who waits for whom: their keys are their numbers where they say none. */
  #members(raws: readonly unknown[], place: Place) {
    return this.#readAll(raws, place.pointer).flatMap(({ node, pointer, index }) => {
      this.#refuseDependsOn(node, pointer);
      const key = node.key ?? String(index + 1);
      return this.#claim(key, keyPointer(node, pointer), place) ? [{ node, pointer, key }] : [];
    });
  }

  #add(
    node: SubmittedNode,
    key: string,
    pointer: string,
    parents: FlatNode["parents"],
    inherited: { readonly onParentFailure?: ParentPolicy },
    { scope }: Place,
  ): string {
    const full = scope.full(key);
    const onParentFailure = node.onParentFailure ?? inherited.onParentFailure ?? "fail";
    if ("workflow" in node) return this.#within(node, key, { scope, pointer, after: parents, onParentFailure });
    this.nodes.push({ key: full, pointer, parents, onParentFailure, step: stepOf(node), scope });
    return full;
  }

  /** A workflow within: its nodes, and the join that stands for all of them. */
  #within({ workflow }: SubNode, key: string, place: Place): string {
    const full = place.scope.full(key);
    const scope = place.scope.within(key);
    const pointer = `${place.pointer}/workflow`;
    if (scope.depth > MAX_NESTING) {
      this.#fault(pointer, `stands in ${MAX_NESTING} others already`);
      return full;
    }
    const inner = this.#shape(workflow, { ...place, scope, pointer });
    const isParent = new Set(this.nodes.flatMap(({ parents }) => parents.map((parent) => parent.key)));
    const sinks = inner.filter((one) => !isParent.has(one));
    const of = workflow.group ? "list" : sinks.length === 1 ? "only" : "object";
    return this.#join(full, place.pointer, sinks, of, place.scope);
  }

  #join(key: string, pointer: string, parents: readonly string[], of: JoinResult, scope: Scope): string {
    const told = parents.map((parent) => ({ key: parent, pointer }));
    this.nodes.push({ key, pointer, parents: told, onParentFailure: "fail", step: { kind: "join", of }, scope });
    return key;
  }

  #readAll(raws: readonly unknown[], pointer: string) {
    return raws.flatMap((raw, index) => {
      const at = `${pointer}/${index}`;
      const node = this.#readNode(raw, at);
      return node ? [{ node, index, pointer: at }] : [];
    });
  }

  /** A node by the schema of its kind; null, and its faults noted. */
  #readNode(raw: unknown, pointer: string): SubmittedNode | null {
    if (typeof raw !== "object" || raw === null || Array.isArray(raw)) {
      this.#fault(pointer, "must be an object");
      return null;
    }
    const kinds = Object.keys(NODE_SCHEMAS) as (keyof typeof NODE_SCHEMAS)[];
    const told = kinds.filter((kind) => kind in raw);
    const [kind] = told;
    if (kind === undefined || told.length > 1) {
      this.#fault(pointer, `must have one of ${kinds.join(", ")}`);
      return null;
    }
    const parsed = NODE_SCHEMAS[kind].safeParse(raw);
    if (parsed.success) return parsed.data;
    for (const { pointer: inner, detail } of explainIssues(parsed.error.issues)) this.#fault(pointer + inner, detail);
    return null;
  }

  #claim(key: string, pointer: string, { scope }: Place): boolean {
    if (scope.add(key)) return true;
    this.#fault(pointer, `there is another node ${key}`);
    return false;
  }

  #refuseDependsOn({ dependsOn }: SubmittedNode, pointer: string): void {
    if (dependsOn !== undefined) this.#fault(`${pointer}/dependsOn`, "is told by the place that the node has here");
  }

  #fault(pointer: string, detail: string): void {
    if (this.faults.length < MAX_ERRORS) this.faults.push({ pointer, detail });
  }
}

/** Where its key stands; of one that is called by its place: where it stands itself. */
function keyPointer({ key }: SubmittedNode, pointer: string): string {
  return key === undefined ? pointer : `${pointer}/key`;
}

function stepOf(node: Exclude<SubmittedNode, SubNode>): Step {
  if ("waitFor" in node) return { kind: "signal", told: node };
  if ("map" in node) return { kind: "map", told: node };
  return { kind: "task", told: node };
}

/** More nodes than a run may have, in words; null: they fit. */
export function tooManyNodes(count: number): string | null {
  return count > MAX_NODES ? `${count} nodes, where a run has ${MAX_NODES} at most` : null;
}
