/** Batches of 100, queue paused. The floor reads the same body and asks an empty method once. */
import { figureOf } from "../report/figure.ts";
import { goal, plainRow } from "../report/row.ts";
import { alternate, beside, cpuOf, loadOf, type Sample, type Scenario, valuesOf } from "../scenario.ts";
import { batchOf, floor } from "./shots.ts";

const SIZE = 100;

export const batch: Scenario = {
  name: "batch",
  isQuick: true,
  async run(bench) {
    await bench.api.makeQueue("paused", true);
    const shot = batchOf("paused", SIZE);
    const { product, empty } = await alternate(bench.rounds, {
      product: loadOf(bench, shot),
      empty: loadOf(bench, floor("empty", shot)),
    });
    const tasks = product.map(perTask);
    const figure = figureOf(valuesOf(tasks));
    return [
      plainRow({
        scenario: "batch",
        name: `batches of ${SIZE}, queue paused`,
        unit: "tasks/s",
        figure,
        cpuUs: cpuOf(tasks),
        beside: [beside("empty", tasks, empty.map(perTask))],
        goals: [goal("tasks/s", "≥", 150_000, figure.median)],
      }),
    ];
  },
};

function perTask({ value, cpuUs, requests }: Sample): Sample {
  return { value: value * SIZE, cpuUs: cpuUs === null ? null : cpuUs / SIZE, requests: requests * SIZE };
}
