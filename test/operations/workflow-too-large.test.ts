/** Payloads that would be larger than any object holds, were they filled in: their nodes end, and with them the run. */
import { expect, it } from "vitest";
import type { NodeDefinition, NodeTask } from "../../core/schema/workflow-rpc.ts";
import { definition, hasEnded, idOf, node, statesOf, taskOf } from "../simulation/workflows/definitions.ts";
import { NO_FAULTS } from "../simulation/workflows/faults.ts";
import { WorkflowWorld } from "../simulation/workflows/workflow-world.ts";

const ID = idOf(1);
const KIB = 1_024;

async function statesAfter(...nodes: NodeDefinition[]): Promise<string[]> {
  const world = new WorkflowWorld(1, NO_FAULTS);
  await world.create(ID, { definition: definition(nodes), fingerprint: null });
  await world.until(hasEnded(world, ID), 600_000);
  return statesOf(world, ID);
}
const refers = (payload: object): NodeTask => ({ ...taskOf(payload), refers: true });
const map = (over: unknown, task: NodeTask): NodeDefinition => ({
  key: "m",
  kind: "map",
  parents: [],
  onParentFailure: "fail",
  over: JSON.stringify(over),
  task,
});

it("304 of ten thousand references to one result", async () => {
  const large = taskOf({ result: "x".repeat(60 * KIB) });
  const many = refers({ all: Array.from({ length: 12_000 }, () => ({ $result: "a" })) });
  expect(await statesAfter(node("a", [], large), node("b", [0], many))).toEqual([
    "a SUCCEEDED",
    "b FAILED payload-invalid",
  ]);
});

it("304 305 of a map's task, by references to its item or by the item alone", async () => {
  const item = "x".repeat(200 * KIB);
  const many = refers({ all: Array.from({ length: 10_000 }, () => ({ $item: "" })) });
  expect(await statesAfter(map([item], many))).toEqual(["m FAILED payload-invalid"]);
  const twice = refers({ a: { $item: "" }, b: { $item: "" } });
  expect(await statesAfter(map([1, item], twice))).toEqual(["m FAILED payload-invalid"]);
  const once = refers({ a: { $item: "" }, b: "y".repeat(100 * KIB) });
  expect(await statesAfter(map([1, item], once))).toEqual(["m FAILED payload-invalid"]);
});

it("319 of all of a map's tasks together, of which no more are made than a run has", async () => {
  const task = refers({ n: { $index: true }, pad: "y".repeat(250 * KIB) });
  expect(await statesAfter(map(Array(999).fill(1), task))).toEqual(["m FAILED workflow-too-large"]);
});
