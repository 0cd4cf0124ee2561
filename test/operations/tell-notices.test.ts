/** Runs that do not answer when they are told of ends, beside one that does. */
import { expect, it } from "vitest";
import type { RunId } from "../../core/ids.ts";
import type { WorkflowRpc } from "../../core/schema/workflow-rpc.ts";
import { definition, hasEnded, idOf, node, taskOf } from "../simulation/workflows/definitions.ts";
import { NO_FAULTS } from "../simulation/workflows/faults.ts";
import { WorkflowWorld } from "../simulation/workflows/workflow-world.ts";

const ID = idOf(1);
const MINUTE = 60_000;

/** How long (ms of virtual time) a chain of six takes beside runs of the same shard that are silent. */
async function chainBeside(silent: number): Promise<number> {
  const world = new WorkflowWorld(1, NO_FAULTS);
  for (let i = 0; i < silent; i++)
    await world.create(idOf(100 + i), {
      definition: definition([node("s", [], taskOf({ ms: 1_000 }))]),
      fingerprint: null,
    });
  const chain = [node("c0", [], taskOf({ ms: 1_500 })), ...Array.from({ length: 5 }, (_, i) => node(`c${i + 1}`, [i]))];
  await world.create(ID, { definition: definition(chain), fingerprint: null });
  answers(world, (run, told) => (run === ID ? told() : new Promise(() => {})));
  const from = world.now;
  expect(await world.until(hasEnded(world, ID), 10 * MINUTE)).toBe(true);
  const took = world.now - from;
  world.close();
  return took;
}

/** What becomes of the word of an end. */
function answers(
  world: WorkflowWorld,
  answer: (run: RunId, told: () => ReturnType<WorkflowRpc["ended"]>) => ReturnType<WorkflowRpc["ended"]>,
): void {
  const ports = world.shards.get("default:a:0")?.instance.ports;
  if (!ports) throw new Error("the shard is not there");
  const { workflow } = ports;
  Object.assign(ports, {
    workflow: (...[tenant, run]: Parameters<typeof workflow>) => {
      const stub = workflow(tenant, run);
      const ended: WorkflowRpc["ended"] = (request) => answer(run, () => stub.ended(request));
      return { ...stub, ended };
    },
  });
}

it("315 runs that do not answer hold up no other's ends: one not at all, thirty that fall silent together for 5 s", async () => {
  const alone = await chainBeside(0);
  expect(await chainBeside(1)).toBeLessThan(alone + 500);
  expect(await chainBeside(30)).toBeLessThan(alone + 6_000);
});

it("315 ends that come while a run is being told wait for its answer, and go together", async () => {
  const world = new WorkflowWorld(1, NO_FAULTS);
  const nodes = Array.from({ length: 20 }, (_, i) => node(`n${i}`, [], taskOf({ ms: 10 + i })));
  await world.create(ID, { definition: definition(nodes), fingerprint: null });
  let calls = 0;
  answers(world, async (_run, told) => {
    calls++;
    await new Promise<void>((done) => world.timeline.after(900, world.worker.life, "a slow word", done));
    return await told();
  });
  expect(await world.until(hasEnded(world, ID), MINUTE)).toBe(true);
  expect(calls).toBeLessThan(6);
});
