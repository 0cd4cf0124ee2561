/** What handlers spawn becomes part of the run, as its shards and the run's object have it. */
import { describe, expect, it } from "vitest";
import type { NodeDefinition } from "../../core/schema/workflow-rpc.ts";
import { definition, hasEnded, idOf, node, taskOf } from "../simulation/workflows/definitions.ts";
import { NO_FAULTS } from "../simulation/workflows/faults.ts";
import { WorkflowWorld } from "../simulation/workflows/workflow-world.ts";

const ID = idOf(1);
const MINUTE = 60_000;

async function finished(...nodes: NodeDefinition[]): Promise<WorkflowWorld> {
  const world = new WorkflowWorld(1, NO_FAULTS);
  await world.create(ID, { definition: definition(nodes), fingerprint: null });
  await world.until(hasEnded(world, ID), 10 * MINUTE);
  return world;
}
async function resultOf(world: WorkflowWorld, key: string): Promise<unknown> {
  const answer = await world.ask(world.run(ID).readNode({ v: 1, key }));
  return answer.ok && answer.result !== null ? JSON.parse(answer.result) : answer;
}
const child = (key: string, more: object = {}) => ({
  key,
  type: "step",
  payload: { ends: "succeeded", ms: 500, result: "SPAWNED" },
  ...more,
});
const spawns = (...tasks: object[]) => ({ spawned: JSON.stringify(tasks) });
const join = (key: string, of: "list" | "object" | "only", parents: number[]): NodeDefinition => ({
  key,
  kind: "join",
  parents,
  onParentFailure: "fail",
  of,
});

describe("what is spawned within is waited for, and no part of the result", () => {
  it("305 of a map", async () => {
    const payload = { ends: "succeeded", ms: 5, result: { $item: "" }, ...spawns(child("x")) };
    const world = await finished({
      key: "m",
      kind: "map",
      parents: [],
      onParentFailure: "fail",
      over: "[1,2]",
      task: { ...taskOf({}, { refers: true }), payload: JSON.stringify(payload) },
    });
    expect(await resultOf(world, "m")).toEqual([1, 2]);
    const ends = world.head(ID)?.nodes.toSorted((a, b) => (a.endedNo ?? 0) - (b.endedNo ?? 0));
    expect(ends?.at(-1)?.key).toBe("m");
  });

  it("303 of a workflow within, where a node of it has the key that is spawned, and of a group", async () => {
    const within = [
      node("S.a", [], taskOf({ result: "A", ...spawns(child("x")) })),
      node("S.x", [], taskOf({ result: "X" })),
    ];
    const world = await finished(
      ...within,
      join("S", "object", [0, 1]),
      join("G", "list", [0, 1]),
      join("O", "only", [0]),
    );
    expect(await resultOf(world, "S")).toEqual({ a: "A", x: "X" });
    expect(await resultOf(world, "G")).toEqual(["A", "X"]);
    expect(await resultOf(world, "O")).toBe("A");
  });

  it("303 over several who spawn, and those who are spawned and spawn", async () => {
    const again = child("y", { payload: { ends: "succeeded", ms: 5, ...spawns(child("z")) } });
    const two = [
      node("a", [], taskOf({ result: 1, ...spawns(again) })),
      node("b", [], taskOf({ result: 2, ...spawns(child("x")) })),
    ];
    const world = await finished(...two, join("G", "list", [0, 1]));
    expect(await resultOf(world, "G")).toEqual([1, 2]);
    expect(world.head(ID)?.nodes[2]?.parents).toHaveLength(5);
  });
});
