/** A run is woken for what is left of it: though an alarm was lost, and not on and on where its work fails. */
import { expect, it } from "vitest";
import { definition, hasEnded, idOf, node, signal, statesOf, taskOf } from "../simulation/workflows/definitions.ts";
import { NO_FAULTS } from "../simulation/workflows/faults.ts";
import { WorkflowWorld } from "../simulation/workflows/workflow-world.ts";

const ID = idOf(1);
const MINUTE = 60_000;

async function runOf(nodes: Parameters<typeof definition>[0]): Promise<WorkflowWorld> {
  const world = new WorkflowWorld(1, NO_FAULTS);
  await world.create(ID, { definition: definition(nodes), fingerprint: null });
  return world;
}

it("308 an alarm that was never set is set by the next that comes", async () => {
  const world = await runOf([node("a", [], taskOf({ ms: 20_000 }))]);
  await world.until(() => world.head(ID)?.nodes[0]?.task.is === "released", MINUTE);
  const run = world.runs.get(ID)?.instance;
  if (!run) throw new Error("the run is not there");
  const { setAlarm } = run.host;
  let lost = 0;
  Object.assign(run.host, { setAlarm: (at: number) => (lost++ === 0 ? undefined : setAlarm(at)) });
  run.alarmAt = null;
  await world.ask(world.run(ID).cancel({ v: 1 }));
  await world.until(() => false, 15_000);
  await world.ask(world.run(ID).cancel({ v: 1 }));
  expect(await world.until(hasEnded(world, ID), 10 * MINUTE)).toBe(true);
  expect(lost).toBeGreaterThan(1);
});

it("308 a run whose work fails is woken at growing distances, also where something of it is overdue", async () => {
  const world = await runOf([signal("s", 1_000)]);
  await world.until(() => world.head(ID)?.nodes[0]?.state === "ready", MINUTE);
  const run = world.runs.get(ID)?.instance;
  if (!run) throw new Error("the run is not there");
  const { setAlarm } = run.host;
  let alarms = 0;
  Object.assign(run.host, {
    setAlarm(at: number) {
      alarms++;
      setAlarm(at);
    },
  });
  Object.assign(run, {
    transact: () => {
      throw new Error("simulated: the disk is full");
    },
  });
  await world.until(() => false, 5 * MINUTE);
  expect(alarms).toBeGreaterThan(3);
  expect(alarms).toBeLessThan(30);
  Reflect.deleteProperty(run, "transact");
  expect(await world.until(hasEnded(world, ID), 10 * MINUTE)).toBe(true);
  expect(statesOf(world, ID)).toEqual(["s FAILED signal-timeout"]);
});
