/** How a run hands its nodes to queues that are made again, or full. */
import { expect, it } from "vitest";
import type { QueueName } from "../../core/ids.ts";
import type { SubmitAnswer, SubmitRequest } from "../../core/schema/rpc.ts";
import type { NodeDefinition } from "../../core/schema/workflow-rpc.ts";
import { definition, hasEnded, idOf, node, statesOf, taskOf } from "../simulation/workflows/definitions.ts";
import { NO_FAULTS } from "../simulation/workflows/faults.ts";
import { WorkflowWorld } from "../simulation/workflows/workflow-world.ts";

const ID = idOf(1);
const MINUTE = 60_000;
const B = "b" as QueueName;
const inB = (script: object = {}) => taskOf(script, { queue: B });

async function runOf(nodes: readonly NodeDefinition[], settings = {}): Promise<WorkflowWorld> {
  const world = new WorkflowWorld(1, NO_FAULTS, settings);
  await world.create(ID, { definition: definition(nodes), fingerprint: null });
  return world;
}

/** What becomes of what the run submits. */
function submissions(
  world: WorkflowWorld,
  answer: (request: SubmitRequest, submit: () => Promise<SubmitAnswer>) => Promise<SubmitAnswer>,
): void {
  const ports = world.runs.get(ID)?.instance.ports;
  if (!ports) throw new Error("the run is not there");
  const { shard } = ports;
  Object.assign(ports, {
    shard: (address: Parameters<typeof shard>[0]) => {
      const stub = shard(address);
      const submit = (request: SubmitRequest) => answer(request, () => stub.submit(request));
      return new Proxy(stub, {
        get: (_, name, receiver) => (name === "submit" ? submit : Reflect.get(stub, name, receiver)),
      });
    },
  });
}

it("308 a node whose queue is deleted and made again, of which its shard has not heard, runs in the new one", async () => {
  const world = await runOf([node("a", [], inB()), node("b", [0], inB())], { draining: true });
  let told = 0;
  submissions(world, async (_, submit) => {
    if (told++ > 0) return await submit();
    world.change(B, { draining: false });
    world.remake(B);
    return { v: 1, ok: false, code: "queue-unknown", detail: "there is no queue b" };
  });
  expect(await world.until(hasEnded(world, ID), 10 * MINUTE)).toBe(true);
  expect(world.head(ID)?.nodes.map(({ message }) => message)).toEqual([null, null]);
  expect(statesOf(world, ID)).toEqual(["a SUCCEEDED", "b SUCCEEDED"]);
});

it("308 a queue that stays full is asked every 5 to 10 s, and its places are taken within 10 s", async () => {
  const many = Array.from({ length: 20 }, (_, i) => node(`n${i}`, [], inB()));
  const world = await runOf(many, { depthLimit: 2, paused: true });
  const at: number[] = [];
  submissions(world, async (_, submit) => {
    at.push(world.now);
    return await submit();
  });
  await world.until(() => false, 10 * MINUTE);
  const pauses = at.slice(-50).map((time, i, all) => time - (all[i - 1] ?? time));
  expect(Math.min(...pauses.slice(1))).toBeGreaterThanOrEqual(5_000);
  expect(new Set(pauses).size).toBeGreaterThan(10);
  const before = world.now;
  world.change(B, { paused: false, depthLimit: 100 });
  expect(await world.until(hasEnded(world, ID), 10 * MINUTE)).toBe(true);
  expect(world.now - before).toBeLessThan(15_000);
});
