/** Maps whose lists can't be read, because the shard that has them does not answer; and maps that are undone. */
import { expect, it } from "vitest";
import type { QueueName, ShardAddress } from "../../core/ids.ts";
import type { NodeDefinition } from "../../core/schema/workflow-rpc.ts";
import { definition, hasEnded, idOf, node, statesOf, taskOf } from "../simulation/workflows/definitions.ts";
import { NO_FAULTS } from "../simulation/workflows/faults.ts";
import { WorkflowWorld } from "../simulation/workflows/workflow-world.ts";

const ID = idOf(1);
const MINUTE = 60_000;
const MAPS = 20;

/** A run of twenty of these, and what else is told, which stands from index 21 on. */
async function runBeside(...others: NodeDefinition[]): Promise<WorkflowWorld> {
  const world = new WorkflowWorld(1, NO_FAULTS);
  const list = Array.from({ length: 20_000 }, () => "xxxx");
  const large = node("big", [], taskOf({ result: list }, { queue: "b" as QueueName }));
  const maps = Array.from(
    { length: MAPS },
    (_, n): NodeDefinition => ({
      key: `m${n}`,
      kind: "map",
      parents: [0],
      onParentFailure: "fail",
      over: JSON.stringify({ $result: "big" }),
      task: taskOf(),
    }),
  );
  await world.create(ID, { definition: definition([large, ...maps, ...others]), fingerprint: null });
  const run = world.runs.get(ID)?.instance;
  if (!run) throw new Error("there is no run");
  const { shard } = run.ports;
  const silent = (address: ShardAddress) =>
    new Proxy(shard(address), {
      get: (stub, name, receiver) =>
        address.queue === "b" && name === "read"
          ? () => new Promise(() => {})
          : (Reflect.get(stub, name, receiver) as unknown),
    });
  Object.assign(run.ports, { shard: silent });
  return world;
}

it("308 maps whose lists can't be read hold up nothing but themselves", async () => {
  const after = Array.from({ length: 5 }, (_, n) => node(`c${n + 1}`, [MAPS + 1 + n]));
  const world = await runBeside(node("c0", [], taskOf({ ms: 3_000 })), ...after);
  const from = world.now;
  const isDone = () => statesOf(world, ID).filter((state) => /^c. SUCCEEDED/.test(state)).length === 6;
  await world.until(isDone, 10 * MINUTE);
  expect(isDone()).toBe(true);
  expect(world.now - from).toBeLessThan(MINUTE);
});

it("314 such maps end at once with their run, and wait for no list", async () => {
  const world = await runBeside();
  const why = () => world.runs.get(ID)?.instance.held.why(["expand:1"]) ?? null;
  await world.until(() => why() !== null, 10 * MINUTE);
  await world.until(() => false, 5 * MINUTE);
  await world.until(() => !world.runs.get(ID)?.instance.isWorking, MINUTE);
  const from = world.now;
  await world.ask(world.run(ID).cancel({ v: 1 }));
  await world.until(hasEnded(world, ID), 10 * MINUTE);
  expect(statesOf(world, ID)).toContain("m0 CANCELLED cancelled");
  expect(world.now - from).toBeLessThan(1_000);
});

it("310 of a map's tasks each that succeeded is undone, with its item, the latest first", async () => {
  const world = new WorkflowWorld(1, NO_FAULTS);
  const compensate = {
    ...taskOf({}, { refers: true }),
    payload: JSON.stringify({
      ends: "succeeded",
      ms: 1,
      result: [{ $item: "/n" }, { $index: true }, { $run: "status" }],
    }),
  };
  const task = {
    ...taskOf({}, { refers: true }),
    payload: JSON.stringify({ ends: { $item: "/ends" }, ms: { $item: "/n" } }),
  };
  const over = JSON.stringify([
    { n: 3_000, ends: "succeeded" },
    { n: 9_000, ends: "succeeded" },
    { n: 5_000, ends: "failed" },
  ]);
  const map: NodeDefinition = { key: "m", kind: "map", parents: [], onParentFailure: "fail", over, task, compensate };
  await world.create(ID, { definition: definition([map]), fingerprint: null });
  await world.until(hasEnded(world, ID), 10 * MINUTE);
  expect(statesOf(world, ID)).toEqual([
    "m FAILED parent-failed",
    "m.0 SUCCEEDED",
    "m.1 SUCCEEDED",
    "m.2 FAILED handler-error",
    "compensate:m.1 SUCCEEDED",
    "compensate:m.0 SUCCEEDED",
  ]);
  const given = await world.ask(world.run(ID).readNode({ v: 1, key: "compensate:m.0" }));
  expect(given).toMatchObject({ result: '[3000,0,"FAILED"]' });
});
