/** 40,000 tasks in batches of 1,000: submitted, run, settled and flushed to D1, from the first request to the last row. */
import type { Api } from "../load/api.ts";
import { figureOf } from "../report/figure.ts";
import { goal, plainRow } from "../report/row.ts";
import { type Bench, cpuOf, type Sample, type Scenario, valuesOf } from "../scenario.ts";
import { cpuTime } from "../service/cpu-time.ts";
import { echoTask } from "./shots.ts";

const TASKS = 40_000;
const SIZE = 1_000;
/** Clients, each with one batch under way. */
const CLIENTS = 4;

export const drain: Scenario = {
  name: "drain",
  isQuick: true,
  async run(bench) {
    await bench.api.makeQueue("running");
    const samples: Sample[] = [];
    // The first is for warmth: the runtime compiles, D1 opens its file.
    for (let round = 0; round <= bench.rounds; round++) {
      const sample = await drainOnce(bench);
      if (round > 0) samples.push(sample);
    }
    const figure = figureOf(valuesOf(samples));
    return [
      plainRow({
        scenario: "drain",
        name: `${TASKS} in batches of ${SIZE}, until all are in D1`,
        unit: "tasks/s",
        figure,
        cpuUs: cpuOf(samples),
        goals: [goal("tasks/s", "≥", 35_000, figure.median)],
      }),
    ];
  },
};

async function drainOnce({ api, service }: Bench): Promise<Sample> {
  const cpu = cpuTime(service.pid);
  const since = performance.now();
  const batches = await submitBatches(api);
  await api.untilFlushed("running");
  const seconds = (performance.now() - since) / 1_000;
  const spent = cpuTime(service.pid);
  for (const batch of batches) {
    const counts = await api.batchCounts(batch);
    if (counts.SUCCEEDED !== SIZE) throw new Error(`batch ${batch} stands at ${JSON.stringify(counts)}`);
  }
  service.forgetLog();
  return {
    value: TASKS / seconds,
    requests: TASKS,
    cpuUs: cpu === null || spent === null ? null : (spent - cpu) / TASKS,
  };
}

/** All of a round, into the queue `running`. @returns the batches' ids */
export async function submitBatches(api: Api): Promise<string[]> {
  const tasks = Array.from({ length: SIZE }, () => echoTask("running"));
  const batches: string[] = [];
  let left = TASKS / SIZE;
  const client = async () => {
    while (left-- > 0) batches.push(await api.submitBatch(tasks));
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  return batches;
}
