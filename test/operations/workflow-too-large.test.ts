/** Payloads that would be larger than any object holds, were they filled in: their nodes end, and with them the run. */
import { describe, expect, it } from "vitest";
import type { QueueName, ShardAddress } from "../../core/ids.ts";
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

describe("309 results that are read", () => {
  const large = taskOf({ result: "x".repeat(70 * KIB) });

  it("304 309 are counted while they are read: no more of them than fit", async () => {
    const many = Array.from({ length: 20 }, (_, n) => node(`a${n}`, [], large));
    const parents = many.map((_, n) => n);
    const named = refers({ all: parents.map((n) => ({ $result: `a${n}` })) });
    const all: NodeDefinition = { key: "all", kind: "join", parents, onParentFailure: "fail", of: "list" };
    const whole = node("whole", [21], refers({ result: { $result: "all" } }), "continue");
    const world = new WorkflowWorld(1, NO_FAULTS);
    const nodes = [...many, node("b", parents, named), all, whole];
    await world.create(ID, { definition: definition(nodes), fingerprint: null });
    const reads = watchReads(world);
    await world.until(hasEnded(world, ID), 600_000);
    expect(statesOf(world, ID).slice(20)).toEqual([
      "b FAILED payload-invalid",
      "all SUCCEEDED",
      "whole FAILED payload-invalid",
    ]);
    expect(reads.count).toBe(8);
  });

  it("309 for as many payloads at once as an object can hold", async () => {
    const at = (n: number) => ({ queue: (n % 2 ? "a" : "b") as QueueName, shard: n % 4 < 2 ? 0 : 1, refers: true });
    const payload = JSON.stringify({ ends: "succeeded", ms: 1, result: { $result: "a" } });
    const uses = Array.from({ length: 40 }, (_, n) => node(`b${n}`, [0], { ...taskOf({}, at(n)), payload }));
    const world = new WorkflowWorld(1, NO_FAULTS);
    await world.create(ID, { definition: definition([node("a", [], large), ...uses]), fingerprint: null });
    const reads = watchReads(world);
    await world.until(hasEnded(world, ID), 600_000);
    expect(world.head(ID)?.head.status).toBe("SUCCEEDED");
    expect(reads.count).toBe(40);
    expect(reads.most).toBe(16);
  });
});

/** How often shards are asked for results by the run, and how many of these were under way at most. */
function watchReads(world: WorkflowWorld): { count: number; most: number } {
  const run = world.runs.get(ID)?.instance;
  if (!run) throw new Error("there is no run");
  const { shard } = run.ports;
  const seen = { count: 0, most: 0 };
  let underWay = 0;
  const watched = (address: ShardAddress) => {
    const stub = shard(address);
    const read: typeof stub.read = async (request) => {
      seen.count++;
      seen.most = Math.max(seen.most, ++underWay);
      try {
        return await stub.read(request);
      } finally {
        underWay--;
      }
    };
    return new Proxy(stub, {
      get: (target, name, receiver) => (name === "read" ? read : (Reflect.get(target, name, receiver) as unknown)),
    });
  };
  Object.assign(run.ports, { shard: watched });
  return seen;
}
