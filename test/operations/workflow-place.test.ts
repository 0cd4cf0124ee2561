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
