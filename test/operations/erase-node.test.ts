/** The data of a node's task was deleted: nothing of it is left in the run's rows, whenever the run hears of it. */
import { expect, it } from "vitest";
import { taskIdOf } from "../../durable-objects/workflow-run/task-place.ts";
import { definition, hasEnded, idOf, node, taskOf } from "../simulation/workflows/definitions.ts";
import { NO_FAULTS } from "../simulation/workflows/faults.ts";
import { WorkflowWorld } from "../simulation/workflows/workflow-world.ts";

const ID = idOf(1);
const MINUTE = 60_000;

/** A run of one node that gives a secret and takes that long, and one that fails with it in its words. */
async function runOf(ms: number): Promise<WorkflowWorld> {
  const world = new WorkflowWorld(1, NO_FAULTS);
  const nodes = [node("a", [], taskOf({ ms, result: "secret" })), node("b", [], taskOf({ ms, ends: "failed" }))];
  await world.create(ID, { definition: definition(nodes), fingerprint: null });
  return world;
}

async function erase(world: WorkflowWorld, key: string): Promise<void> {
  const found = world.head(ID)?.nodes.find((one) => one.key === key);
  const task = found && taskIdOf(found);
  if (!task) throw new Error(`${key} has no task`);
  const request = { v: 1, key, task } as const;
  for (let twice = 0; twice < 2; twice++)
    expect(await world.ask(world.run(ID).eraseNode(request))).toEqual({ v: 1, ok: true });
}

const rowsOf = (world: WorkflowWorld) =>
  world.runs
    .get(ID)
    ?.gate.all<{ spec: string; result: string | null; message: string | null }>(
      "SELECT spec, result, message FROM node ORDER BY i",
    ) ?? [];

it("320 a node that has ended: its payload, its result and its error's words go, and nothing of others", async () => {
  const world = await runOf(5);
  await world.until(hasEnded(world, ID), MINUTE);
  expect(rowsOf(world)[0]?.result).toBe('"secret"');
  const [, other] = rowsOf(world);
  await erase(world, "a");
  expect(JSON.stringify(rowsOf(world)[0])).not.toContain("secret");
  expect(rowsOf(world)[1]).toEqual(other);
  await erase(world, "b");
  expect(rowsOf(world)[1]).toMatchObject({ result: null, message: "" });
  expect(world.head(ID)?.nodes.map(({ state, code }) => [state, code])).toEqual([
    ["SUCCEEDED", null],
    ["FAILED", "handler-error"],
  ]);
  expect(await world.ask(world.run(ID).retry({ v: 1, keys: null }))).toMatchObject({ code: "task-deleted" });
});

it("320 told before the end is known: the end brings nothing, over a loss of memory too", async () => {
  const world = await runOf(20_000);
  await world.until(() => world.head(ID)?.nodes.every((one) => taskIdOf(one) !== null) ?? false, MINUTE);
  await erase(world, "a");
  await erase(world, "b");
  world.runs.get(ID)?.instance.reload();
  await world.until(hasEnded(world, ID), 10 * MINUTE);
  expect(world.head(ID)?.nodes.map(({ state }) => state)).toEqual(["SUCCEEDED", "FAILED"]);
  expect(rowsOf(world)).toMatchObject([
    { result: null, message: null },
    { result: null, message: "" },
  ]);
  expect(JSON.stringify(rowsOf(world))).not.toContain("secret");
});
