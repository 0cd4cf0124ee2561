/** Single submissions while the queue is paused: what the door and the shard's insert cost, and nothing else. */
import { figureOf } from "../report/figure.ts";
import { goal, plainRow } from "../report/row.ts";
import { alternate, beside, cpuOf, loadOf, type Scenario, valuesOf } from "../scenario.ts";
import { floor, HELLO, submission } from "./shots.ts";

export const submit: Scenario = {
  name: "submit",
  isQuick: true,
  async run(bench) {
    await bench.api.makeQueue("paused", true);
    const shot = submission("paused");
    const { product, empty, insert, hello } = await alternate(bench.rounds, {
      product: loadOf(bench, shot),
      empty: loadOf(bench, floor("empty", shot)),
      insert: loadOf(bench, floor("insert", shot)),
      hello: loadOf(bench, HELLO),
    });
    const ofEmpty = beside("empty", product, empty);
    const ofInsert = beside("insert", product, insert);
    return [
      plainRow({
        scenario: "submit",
        name: "single submissions, queue paused",
        unit: "req/s",
        figure: figureOf(valuesOf(product)),
        cpuUs: cpuOf(product),
        beside: [ofEmpty, ofInsert, beside("hello", product, hello)],
        goals: [
          goal("of the empty object method", "≥", 0.9, ofEmpty.ratio.median),
          goal("of the unbatched insert", "≥", 2.5, ofInsert.ratio.median),
        ],
      }),
    ];
  },
};
