/**
 * Single submissions while all of them are run, settled and flushed to D1 at the same time; then what is left is waited
 * for, so that a queue that only grows does not look fast.
 */
import { figureOf } from "../report/figure.ts";
import { goal, plainRow } from "../report/row.ts";
import { alternate, beside, cpuOf, loadOf, type Measure, type Sample, type Scenario, valuesOf } from "../scenario.ts";
import { floor, submission } from "./shots.ts";

export const execute: Scenario = {
  name: "execute",
  isQuick: true,
  async run(bench) {
    const { api, rounds } = bench;
    await api.makeQueue("running");
    const shot = submission("running");
    const load = loadOf(bench, shot);
    const whole: Sample[] = [];
    const product: Measure = async () => {
      const since = performance.now();
      const sample = await load();
      await api.untilFlushed("running", 20);
      const seconds = (performance.now() - since) / 1_000;
      whole.push({ value: sample.requests / seconds, cpuUs: null, requests: sample.requests });
      return sample;
    };
    const samples = await alternate(rounds, { product, empty: loadOf(bench, floor("empty", shot)) });
    const ofEmpty = beside("empty", samples.product, samples.empty);
    return [
      plainRow({
        scenario: "execute",
        name: "single submissions, while executing",
        unit: "req/s",
        figure: figureOf(valuesOf(samples.product)),
        cpuUs: cpuOf(samples.product),
        beside: [ofEmpty],
        goals: [goal("of the empty object method", "≥", 0.4, ofEmpty.ratio.median)],
      }),
      plainRow({
        scenario: "execute",
        name: "the same until all are in D1",
        unit: "tasks/s",
        figure: figureOf(valuesOf(whole.slice(1))),
      }),
    ];
  },
};
