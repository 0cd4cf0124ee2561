import { expect, it } from "vitest";
import type { SubmittedWorkflow } from "../../../core/schema/workflow.ts";
import { ancestorsOf, ancestry, orderGraph } from "../../../core/workflow/graph.ts";
import { planRun } from "../../../core/workflow/plan-run.ts";
import { Random } from "../../simulation/random.ts";

it("304 whether a node waits for another is the same from sets of bits as by walking the graph", () => {
  for (let seed = 0; seed < 50; seed++) {
    const random = new Random(seed, "ancestry");
    const count = random.between(1, 80);
    // Named from the last to the first, so that the order is not that of the indexes.
    const parents = Array.from({ length: count }, (_, i) =>
      Array.from({ length: i === count - 1 ? 0 : random.between(0, 3) }, () => random.between(i + 1, count - 1)),
    );
    const ordered = orderGraph(parents);
    if (!("order" in ordered)) throw new Error("there is no cycle");
    const waitsFor = ancestry(parents, ordered.order);
    for (let node = 0; node < count; node++) {
      const walked = ancestorsOf(parents, [node]);
      const found = parents.flatMap((_, other) => (waitsFor(node, other) ? [other] : []));
      expect(found).toEqual([...walked].toSorted((a, b) => a - b));
    }
  }
});

it("319 a plan whose payloads name all nodes before them takes no time that grows with their graph", () => {
  const tasks = Array.from({ length: 600 }, (_, i) => ({
    key: `n${i}`,
    type: "echo",
    onParentFailure: "fail",
    dependsOn: Array.from({ length: Math.min(10, i) }, (_, k) => `n${i - 1 - k}`),
    payload: Array.from({ length: i }, (_, j) => ({ $result: `n${j}` })),
  }));
  const from = performance.now();
  expect(planRun({ tasks } as unknown as SubmittedWorkflow)).toHaveProperty("plan");
  // 0.4 s; where each pair is looked for in the graph 7 s.
  expect(performance.now() - from).toBeLessThan(3_000);
});
