/** GET /tasks/submissions/{id}: of a task that waits (the shard answers), and of one that is done (D1 does). */
import { figureOf } from "../report/figure.ts";
import { goal, plainRow } from "../report/row.ts";
import { alternate, beside, cpuOf, loadOf, type Scenario, valuesOf } from "../scenario.ts";
import { echoTask } from "./shots.ts";

export const status: Scenario = {
  name: "status",
  isQuick: false,
  async run(bench) {
    const { api } = bench;
    await api.makeQueue("paused", true);
    await api.makeQueue("running");
    const waiting = await api.submit(echoTask("paused"));
    const done = await api.submit(echoTask("running"));
    await api.untilIdle("running");
    const { product, kept, empty } = await alternate(bench.rounds, {
      product: loadOf(bench, { method: "GET", path: `/tasks/submissions/${waiting}` }),
      kept: loadOf(bench, { method: "GET", path: `/tasks/submissions/${done}` }),
      empty: loadOf(bench, { method: "GET", path: "/bench/empty" }),
    });
    const ofEmpty = beside("empty", product, empty);
    return [
      plainRow({
        scenario: "status",
        name: "status of a waiting task",
        unit: "req/s",
        figure: figureOf(valuesOf(product)),
        cpuUs: cpuOf(product),
        beside: [ofEmpty],
        goals: [goal("of the empty object method", "≥", 0.9, ofEmpty.ratio.median)],
      }),
      plainRow({
        scenario: "status",
        name: "status of a finished task, from D1",
        unit: "req/s",
        figure: figureOf(valuesOf(kept)),
        cpuUs: cpuOf(kept),
        beside: [beside("empty", kept, empty)],
      }),
    ];
  },
};
