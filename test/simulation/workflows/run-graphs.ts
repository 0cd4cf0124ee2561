/** A seed: some runs of random graphs in one world, under faults that the seed draws, until all have ended; then the checks. */
import type { QueueName, RunId } from "../../../core/ids.ts";
import type { NodeDefinition, NodeTask, RunStatus } from "../../../core/schema/workflow-rpc.ts";
import { Random } from "../random.ts";
import { must } from "../violation.ts";
import { checkResults } from "./check-results.ts";
import { checkRun, isListed } from "./check-run.ts";
import { definition, idOf, taskOf } from "./definitions.ts";
import { NO_FAULTS, type WorkflowFaults } from "./faults.ts";
import { MEDDLE_MS, meddle } from "./meddle.ts";
import { START } from "./population.ts";
import { WorkflowWorld } from "./workflow-world.ts";

const RUNS = 5;
/** D1 may just have been away, and it is asked again a minute later; objects go on dying. */
const LISTED_WITHIN_MS = 600_000;
const DAY = 86_400_000;

export interface SeedTally {
  readonly ends: Record<RunStatus, number>;
  crashes: number;
  nodes: number;
  retries: number;
  timeouts: number;
}

export async function runGraphs(seed: number, tally: SeedTally): Promise<void> {
  const random = new Random(seed, "graphs");
  const world = new WorkflowWorld(seed, drawFaults(random), drawSettings(random));
  const ids: RunId[] = [];
  const statuses = new Map<RunId, RunStatus>();
  const ends = new Map<RunId, number>();
  try {
    for (let i = 0; i < RUNS; i++) {
      const id = idOf(seed * RUNS + i);
      ids.push(id);
      const onFinish = random.chance(0.3) ? { task: tellsStatus(drawTask(random, 0)), on: null } : null;
      const nodes = drawGraph(random);
      const timeoutMs = random.chance(0.15) ? random.between(1_000, 400_000) : null;
      await world.create(id, { definition: definition(nodes, { onFinish, timeoutMs }), fingerprint: "same" });
    }
    meddle(world, random, ids);
    const lookAt = () =>
      ids.every((id) => {
        const status = world.head(id)?.head.status ?? "RUNNING";
        if (status !== "RUNNING" && statuses.get(id) === "RUNNING") ends.set(id, (ends.get(id) ?? 0) + 1);
        statuses.set(id, status);
        return status !== "RUNNING";
      });
    await world.until(() => lookAt() && world.now > calmAt(world), 3 * DAY);
    await world.until(() => false, 60_000);
    // A dead letter that was redriven in time may have taken one up again.
    await world.until(lookAt, 3 * DAY);
    await world.until(() => lookAt() && ids.every((id) => isListed(world, id)), LISTED_WITHIN_MS);
    for (const id of ids) {
      checkRun(world, id);
      await checkResults(world, id);
      const memory = world.head(id);
      const most = (memory?.head.retries ?? 0) + 1;
      must(
        (ends.get(id) ?? 0) <= most,
        () => `${id} ended ${ends.get(id)} times, and was taken up again ${most - 1} times`,
      );
      tally.ends[memory?.head.status ?? "RUNNING"]++;
      tally.nodes += memory?.nodes.length ?? 0;
      tally.retries += memory?.head.retries ?? 0;
      if (memory?.head.stop === "timeout") tally.timeouts++;
    }
    for (const host of [...world.shards.values(), ...world.runs.values()]) tally.crashes += host.crashes;
    world.close();
  } catch (error) {
    throw new Error(`seed ${seed}: ${error instanceof Error ? error.stack : String(error)}`);
  }
}

/** What it gives is what it was told of how the run ends. */
function tellsStatus(task: NodeTask): NodeTask {
  return { ...task, refers: true, payload: JSON.stringify({ ends: "succeeded", ms: 5, result: { $run: "status" } }) };
}

function calmAt({ faults }: WorkflowWorld): number {
  return START + (faults === NO_FAULTS ? 0 : MEDDLE_MS);
}

function drawFaults(random: Random): WorkflowFaults {
  const some = (most: number) => (random.chance(0.4) ? random.next() * most : 0);
  return {
    crash: some(0.1),
    evict: some(0.05),
    lostRequest: some(0.3),
    lostAnswer: some(0.3),
    doubled: some(0.3),
    lostNotice: some(0.5),
    mute: some(0.1),
  };
}

function drawSettings(random: Random) {
  return {
    ...(random.chance(0.3) && { depthLimit: random.between(2, 8) }),
    ...(random.chance(0.3) && { concurrency: random.between(2, 4) }),
    maxCrashes: 3,
  };
}

function drawGraph(random: Random): NodeDefinition[] {
  const count = random.between(1, 9);
  const nodes: NodeDefinition[] = [];
  for (let i = 0; i < count; i++) {
    const drawn = Array.from({ length: i === 0 ? 0 : random.between(0, 3) }, () => random.between(0, i - 1));
    const parents = [...new Set(drawn)];
    const onParentFailure = random.pick(["fail", "fail", "continue", "skip"] as const);
    const base = { key: `n${i}`, parents, onParentFailure };
    const kind = random.weighted({ task: 12, join: 1, signal: 1, map: 1 });
    switch (kind) {
      case "task": {
        const compensate = random.chance(0.3) ? { compensate: drawTask(random, 0) } : {};
        nodes.push({
          ...base,
          kind,
          task: drawTask(random, parents.length > 0 ? 0.3 : 0, nodes, parents),
          ...compensate,
        });
        break;
      }
      case "join":
        nodes.push({ ...base, kind, of: random.pick(["list", "object", "only"] as const) });
        break;
      case "signal":
        nodes.push({
          ...base,
          kind,
          signal: "go",
          timeoutMs: random.chance(0.5) ? random.between(1_000, 100_000) : null,
        });
        break;
      default: {
        const list = Array.from({ length: random.between(0, 4) }, (_, n) => n);
        const compensate = random.chance(0.3) ? { compensate: drawTask(random, 0) } : {};
        nodes.push({ ...base, kind, over: JSON.stringify(list), task: drawTask(random, 0), ...compensate });
      }
    }
  }
  return nodes;
}

function drawTask(
  random: Random,
  refers: number,
  nodes: readonly NodeDefinition[] = [],
  parents: readonly number[] = [],
): NodeTask {
  const at = { queue: random.pick(["a", "b"] as const) as string as QueueName, shard: random.between(0, 1) };
  const parent = nodes[parents[0] ?? -1];
  const isReferring = parent !== undefined && random.chance(refers);
  const large = random.chance(0.05) ? "x".repeat(70_000) : random.between(1, 9);
  const spawned = JSON.stringify([
    { key: "s", type: "step", payload: { ends: random.chance(0.2) ? "failed" : "succeeded", ms: 20 }, queue: "a" },
    { key: "t", type: "step", payload: { ends: "succeeded", ms: 20 }, dependsOn: ["s"] },
  ]);
  const script = {
    ends: random.chance(0.15) ? "failed" : "succeeded",
    ms: random.weighted({ 5: 4, 200: 3, 5000: 2, 40000: 1 }),
    result: isReferring ? { of: { $result: parent.key } } : large,
    ...(random.chance(0.05) && { spawned }),
  };
  const delayMs = random.chance(0.1) ? random.between(100, 60_000) : null;
  return taskOf({ ...script, ms: Number(script.ms) }, { ...at, refers: isReferring, delayMs });
}
