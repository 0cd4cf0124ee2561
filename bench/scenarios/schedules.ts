/**
 * Ten thousand one-time schedules of one moment: how late the last task is handed to its shard, and how long a question
 * to the Directory takes meanwhile. Told by the fires' own times, of a hundred of them spread over the ids.
 */
import { setTimeout as pause } from "node:timers/promises";
import { figureOf } from "../report/figure.ts";
import { goal, plainRow } from "../report/row.ts";
import type { Scenario } from "../scenario.ts";
import { PAYLOAD } from "./shots.ts";

const SCHEDULES = 10_000;
const AT_ONCE = 32;
const SAMPLES = 100;
/** Time for them to be made in. */
const AHEAD_MS = 60_000;
/** An alarm is believed for as long. */
const GOAL_MS = 60_000;
const QUEUE = "schedules";

export const schedules: Scenario = {
  name: "schedules",
  isQuick: false,
  async run({ api }) {
    await api.makeQueue(QUEUE);
    const moment = Date.now() + AHEAD_MS;
    const when = { type: "echo", payload: PAYLOAD, queue: QUEUE, at: new Date(moment).toISOString() };
    const ids = Array.from({ length: SCHEDULES }, (_, i) => `bench-${i}`).values();
    const make = async () => {
      for (const id of ids) await api.putSchedule(id, when);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, make));
    if (Date.now() >= moment) throw new Error("the schedules were not made before their moment");
    const sampled = Array.from({ length: SAMPLES }, (_, i) => `bench-${(i * SCHEDULES) / SAMPLES}`);
    await pause(moment - Date.now());
    const asked: number[] = [];
    const late: number[] = [];
    while (late.length < sampled.length) {
      const id = sampled[late.length] ?? "";
      const since = performance.now();
      const [fire] = await api.fires(id);
      asked.push(performance.now() - since);
      if (fire?.firedAt === undefined) await pause(20);
      else late.push(Date.parse(fire.firedAt) - moment);
    }
    const row = (name: string, values: readonly number[], most: number) => {
      const figure = figureOf(values);
      const goals = [goal("ms, the slowest", "≤", most, figure.high)];
      return plainRow({ scenario: "schedules", name, unit: "ms", figure, goals });
    };
    return [
      row(`a fire, ${SCHEDULES} of one moment`, late, GOAL_MS),
      row("a question to the Directory meanwhile", asked, 3_000),
    ];
  },
};
