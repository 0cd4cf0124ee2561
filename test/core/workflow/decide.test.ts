/** What becomes of nodes that wait, and how a run ends; and over random graphs: each one ends, whatever fails. */
import { describe, expect, it } from "vitest";
import type { ParentPolicy } from "../../../core/schema/workflow-rpc.ts";
import { compensationsOf } from "../../../core/workflow/compensate.ts";
import {
  decide,
  endOf,
  isEnded,
  type NodeHead,
  type NodeState,
  resumed,
  unhandled,
} from "../../../core/workflow/decide.ts";
import { Random } from "../../simulation/random.ts";

function node(state: NodeState, parents: number[] = [], more: Partial<NodeHead> = {}): NodeHead {
  return { kind: "task", parents, onParentFailure: "fail", state, code: null, isCompensation: false, ...more };
}
const policy = (onParentFailure: ParentPolicy) => ({ onParentFailure });

describe("306 who waits for whom", () => {
  it("306 a node runs when its last parent has succeeded, and not before", () => {
    expect(decide([node("SUCCEEDED"), node("ready"), node("waiting", [0, 1])], false)).toEqual([]);
    expect(decide([node("SUCCEEDED"), node("SUCCEEDED"), node("waiting", [0, 1])], false)).toEqual([
      { index: 2, to: "ready" },
    ]);
  });

  it("306 a failed parent ends what waits for it, and what waits for that, in one go", () => {
    const nodes = [node("FAILED"), node("ready"), node("waiting", [0, 1]), node("waiting", [2])];
    expect(decide(nodes, false)).toEqual([
      { index: 2, to: "end", status: "FAILED", code: "parent-failed" },
      { index: 3, to: "end", status: "FAILED", code: "parent-failed" },
    ]);
  });

  it.each([
    ["EXPIRED", "fail", { status: "FAILED", code: "parent-failed" }],
    ["CANCELLED", "fail", { status: "CANCELLED", code: "parent-cancelled" }],
    ["FAILED", "skip", { status: "CANCELLED", code: "skipped" }],
    ["CANCELLED", "skip", { status: "CANCELLED", code: "skipped" }],
  ] as const)("306 a parent %s, policy %s", (state, told, verdict) => {
    expect(decide([node(state), node("waiting", [0], policy(told))], false)).toEqual([
      { index: 1, to: "end", ...verdict },
    ]);
  });

  it("306 continue runs when all have ended, however they did", () => {
    expect(decide([node("FAILED"), node("ready"), node("waiting", [0, 1], policy("continue"))], false)).toEqual([]);
    expect(decide([node("FAILED"), node("EXPIRED"), node("waiting", [0, 1], policy("continue"))], false)).toEqual([
      { index: 2, to: "ready" },
    ]);
  });

  it("306 what waits for a skipped node alone is skipped, unless it continues", () => {
    const skipped = node("CANCELLED", [], { code: "skipped" });
    expect(decide([skipped, node("waiting", [0])], false)).toEqual([
      { index: 1, to: "end", status: "CANCELLED", code: "skipped" },
    ]);
    expect(decide([skipped, node("waiting", [0], policy("continue"))], false)).toEqual([{ index: 1, to: "ready" }]);
  });

  it("306 a join waits for all of its parents, and takes no task", () => {
    const join = { kind: "join" } as const;
    expect(decide([node("FAILED"), node("ready"), node("waiting", [0, 1], join)], false)).toEqual([]);
    expect(decide([node("SUCCEEDED"), node("waiting", [0], join), node("waiting", [1])], false)).toEqual([
      { index: 1, to: "end", status: "SUCCEEDED", code: null },
      { index: 2, to: "ready" },
    ]);
  });

  it("306 a cancelled run ends all that waits, but for what undoes it", () => {
    const nodes = [node("ready"), node("waiting", [0]), node("waiting", [], { isCompensation: true })];
    expect(decide(nodes, true)).toEqual([
      { index: 1, to: "end", status: "CANCELLED", code: "cancelled" },
      { index: 2, to: "ready" },
    ]);
  });
});

it("310 what undoes waits for all that undo before it, also where one between was cancelled", () => {
  const undo = (state: NodeState, parents: number[] = []) =>
    node(state, parents, { isCompensation: true, isUndo: true, onParentFailure: "continue" });
  const cancelled = [undo("ready"), undo("CANCELLED", [0]), undo("waiting", [1])];
  expect(decide(cancelled, false)).toEqual([]);
  expect(decide([undo("FAILED"), undo("CANCELLED", [0]), undo("waiting", [1])], false)).toEqual([
    { index: 2, to: "ready" },
  ]);
});

describe("307 how a run ends", () => {
  it("307 not before all of its nodes have", () => {
    expect(endOf([node("FAILED"), node("ready")], null)).toBeNull();
    expect(endOf([node("SUCCEEDED"), node("SUCCEEDED", [0])], null)).toBe("SUCCEEDED");
  });

  it("307 a failure that a child continues after is looked after, through a join too", () => {
    expect(endOf([node("FAILED"), node("SUCCEEDED", [0], policy("continue"))], null)).toBe("SUCCEEDED");
    const nodes = [node("FAILED"), node("FAILED", [0], { kind: "join" }), node("SUCCEEDED", [1], policy("continue"))];
    expect(endOf(nodes, null)).toBe("SUCCEEDED");
    expect(endOf([node("FAILED"), node("CANCELLED", [0], { code: "skipped" })], null)).toBe("FAILED");
  });

  it("307 cancelled nodes make it CANCELLED where nothing failed; a skipped one makes it nothing", () => {
    expect(endOf([node("CANCELLED")], null)).toBe("CANCELLED");
    expect(endOf([node("CANCELLED"), node("EXPIRED")], null)).toBe("FAILED");
    expect(endOf([node("SUCCEEDED"), node("CANCELLED", [], { code: "skipped" })], null)).toBe("SUCCEEDED");
    expect(endOf([node("SUCCEEDED")], "cancelled")).toBe("CANCELLED");
  });

  it("307 how a compensation ends is no part of it", () => {
    expect(endOf([node("FAILED"), node("FAILED", [], { isCompensation: true })], null)).toBe("FAILED");
    expect(unhandled([node("FAILED", [], { isCompensation: true })])).toEqual([]);
  });
});

it("311 a retry takes along what ended because of the node, and nothing that ran", () => {
  const ended = (parents: number[], state: NodeState, code: "parent-failed" | "skipped" | "handler-error" | null) => ({
    ...node(state, parents),
    code,
  });
  const nodes = [
    ended([], "FAILED", "handler-error"),
    ended([0], "FAILED", "parent-failed"),
    ended([1], "CANCELLED", "skipped"),
    ended([0], "SUCCEEDED", null),
    ended([], "FAILED", "handler-error"),
    ended([4], "FAILED", "parent-failed"),
  ];
  expect([...resumed(nodes, [0])]).toEqual([0, 1, 2]);
});

it("311 a retry takes along what the node waits for and would end it at once, and no other failure beside", () => {
  const cancelled = (parents: number[], more: Partial<NodeHead> = {}) =>
    node("CANCELLED", parents, { code: "cancelled", ...more });
  const nodes = [
    node("FAILED", [], { code: "handler-error" }),
    cancelled([0]),
    cancelled([1]),
    cancelled([1], policy("continue")),
    node("FAILED", [], { code: "handler-error" }),
    node("FAILED", [2, 4], { code: "parent-failed" }),
  ];
  expect([...resumed(nodes, [2])].toSorted()).toEqual([0, 1, 2, 5]);
  expect([...resumed(nodes, [3])]).toEqual([3]);
});

it("310 compensations undo what succeeded, the latest end first, one after the other", () => {
  const task = {} as never;
  const made = compensationsOf([
    { key: "book", parents: [], state: "SUCCEEDED", endedAt: 20, endedNo: 2, compensate: task },
    { key: "pay", parents: [], state: "SUCCEEDED", endedAt: 10, endedNo: 1, compensate: task },
    { key: "mail", parents: [], state: "SUCCEEDED", endedAt: 30, endedNo: 3, compensate: null },
    { key: "ship", parents: [], state: "FAILED", endedAt: 40, endedNo: 4, compensate: task },
  ]);
  expect(made.map(({ compensates, node: { key, parents } }) => [compensates, key, parents])).toEqual([
    ["book", "compensate:book", []],
    ["pay", "compensate:pay", [4]],
  ]);
});

it("310 the latest end is the one that was last, not the one heard of last; but a child is undone before its parent", () => {
  const compensate = {} as never;
  const ended = (key: string, parents: number[], endedAt: number, endedNo: number) =>
    ({ key, parents, state: "SUCCEEDED", endedAt, endedNo, compensate }) as const;
  const told = (nodes: Parameters<typeof compensationsOf>[0]) => compensationsOf(nodes).map((one) => one.compensates);
  expect(told([ended("a", [], 50, 3), ended("b", [], 60, 1), ended("c", [], 55, 2)])).toEqual(["b", "c", "a"]);
  // The clock of the child's shard is behind, and another node ended between.
  expect(told([ended("a", [], 100, 1), ended("b", [0], 90, 3), ended("c", [], 95, 2)])).toEqual(["b", "a", "c"]);
});

it("306 every random graph ends, whatever fails, and nothing runs before its parents", () => {
  const policies = ["fail", "continue", "skip"] as const;
  const outcomes = ["SUCCEEDED", "SUCCEEDED", "SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED"] as const;
  const seen = new Set<string>();
  for (let seed = 0; seed < 2_000; seed++) {
    const random = new Random(seed, "graph");
    const nodes: NodeHead[] = Array.from({ length: random.between(1, 12) }, (_, i) => {
      const drawn = Array.from({ length: i === 0 ? 0 : random.between(0, 3) }, () => random.between(0, i - 1));
      const kind = random.chance(0.2) ? "join" : "task";
      return node("waiting", [...new Set(drawn)], { kind, onParentFailure: random.pick(policies) });
    });
    let isCancelled = false;
    for (let steps = 0; endOf(nodes, isCancelled ? "cancelled" : null) === null; steps++) {
      if (steps > 100) throw new Error(`seed ${seed} does not end: ${JSON.stringify(nodes)}`);
      isCancelled ||= random.chance(0.02);
      for (const decision of decide(nodes, isCancelled)) {
        const before = nodes[decision.index] as NodeHead;
        expect(before.state).toBe("waiting");
        if (decision.to === "ready")
          expect(before.parents.every((parent) => isEnded((nodes[parent] as NodeHead).state))).toBe(true);
        const state = decision.to === "ready" ? "ready" : decision.status;
        nodes[decision.index] = { ...before, state, code: decision.to === "end" ? decision.code : null };
      }
      expect(decide(nodes, isCancelled)).toEqual([]);
      const running = nodes.flatMap(({ state }, i) => (state === "ready" ? [i] : []));
      const ended = running[random.between(0, running.length - 1)];
      if (ended === undefined) continue;
      nodes[ended] = { ...(nodes[ended] as NodeHead), state: random.pick(outcomes) };
    }
    seen.add(endOf(nodes, isCancelled ? "cancelled" : null) ?? "");
  }
  expect([...seen].sort()).toEqual(["CANCELLED", "FAILED", "SUCCEEDED"]);
});
