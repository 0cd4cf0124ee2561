/**
 * How soon a quick task starts while long ones hold every slot of an open session, in the same queue and in another.
 * Told by the task's own times: from its submission to the start of its first attempt.
 */
import type { EndedTask } from "../load/api.ts";
import { figureOf } from "../report/figure.ts";
import { goal, plainRow } from "../report/row.ts";
import type { Bench, Scenario } from "../scenario.ts";
import { echoTask } from "./shots.ts";

/** Two sessions of six slots. */
const LONG = 12;
const GOAL_MS = 100;

export const quickBehindLong: Scenario = {
  name: "quick-behind-long",
  isQuick: false,
  async run(bench) {
    const { api } = bench;
    await api.makeQueue("long");
    await api.makeQueue("other");
    const tasks = Array.from({ length: LONG }, () => ({ type: "sleep", queue: "long", payload: { ms: 20_000 } }));
    await api.submitBatch(tasks);
    await api.until("long", ({ running }) => running === LONG);
    const same = await startsOf(bench, "long");
    const other = await startsOf(bench, "other");
    if ((await api.counts("long")).running !== LONG) throw new Error("a long task ended before the quick ones had run");
    const row = (queue: string, starts: readonly number[]) => {
      const figure = figureOf(starts);
      const name = `start of a quick task behind ${LONG} long ones, ${queue} queue`;
      const goals = [goal("ms, the slowest", "≤", GOAL_MS, figure.high)];
      return plainRow({ scenario: "quick-behind-long", name, unit: "ms", figure, goals });
    };
    return [row("same", same), row("another", other)];
  },
};

/** Each begins with no session waiting for it. */
async function startsOf({ api }: Bench, queue: string): Promise<number[]> {
  const { sessions, running } = await api.counts(queue);
  const starts: number[] = [];
  for (let i = 0; i < 10; i++) {
    await api.until(queue, (counts) => counts.sessions <= sessions && counts.depth <= running);
    starts.push(startOf(await api.ended(await api.submit(echoTask(queue)))));
  }
  return starts;
}

function startOf({ createdAt, attempts, id }: EndedTask): number {
  const [first] = attempts;
  if (!first) throw new Error(`task ${id} ended without an attempt`);
  return Date.parse(first.startedAt) - Date.parse(createdAt);
}
