/**
 * Submissions and claims with 1,000 to 1,000,000 tasks waiting, and behind 100,000 that are first in line and may not
 * run (a type that no worker here knows). Every depth is a queue of its own, measured in turns; the tasks are of a type
 * that only the bench's session knows, so that nothing runs them meanwhile.
 */
import { timed } from "../load/connection.ts";
import { figureOf, quantile, ratioOf } from "../report/figure.ts";
import { type Goal, goal, plainRow, type Row } from "../report/row.ts";
import { alternate, type Bench, loadOf, type Measure, type Sample, type Scenario, valuesOf } from "../scenario.ts";
import { PAYLOAD } from "./shots.ts";

const TYPE = "bench.work";
const BLOCKED_TYPE = "bench.blocked";
const BLOCKED = 100_000;
const CLAIM = 10;
const FLAT = 2;

interface Level {
  readonly name: string;
  readonly waiting: number;
  readonly blocked: number;
}

const LEVELS: readonly Level[] = [
  { name: "1,000 waiting", waiting: 1_000, blocked: 0 },
  { name: "10,000 waiting", waiting: 10_000, blocked: 0 },
  { name: "100,000 waiting", waiting: 100_000, blocked: 0 },
  { name: "1,000,000 waiting", waiting: 1_000_000, blocked: 0 },
  { name: "100,000 blocked ahead", waiting: 1_000, blocked: BLOCKED },
];

export const depth: Scenario = {
  name: "depth",
  isQuick: false,
  async run(bench) {
    await bench.api.declareType(TYPE, "depth-0");
    await bench.api.declareType(BLOCKED_TYPE, "depth-0");
    const queues = LEVELS.map((_, i) => `depth-${i}`);
    for (const [i, level] of LEVELS.entries()) await fillQueue(bench, queues[i] ?? "", level);
    const claims = await alternate(
      bench.rounds,
      measuresOf(queues, (queue) => claimMs(bench, queue)),
    );
    const submissions = await alternate(
      bench.rounds,
      measuresOf(queues, (queue) => submitLoad(bench, queue)),
    );
    return LEVELS.flatMap(({ name }, i) => {
      const queue = queues[i] ?? "";
      const first = queues[0] ?? "";
      return [
        rowOf(`a claim of ${CLAIM}, ${name}`, "ms", claims[queue] ?? [], claims[first] ?? [], i > 0),
        rowOf(`single submissions, ${name}`, "req/s", submissions[queue] ?? [], submissions[first] ?? [], i > 0),
      ];
    }).sort((a, b) => (a.unit === b.unit ? 0 : a.unit === "ms" ? -1 : 1));
  },
};

async function fillQueue({ api }: Bench, queue: string, { waiting, blocked }: Level): Promise<void> {
  await api.makeQueue(queue);
  // The first submission over HTTP brings the object its settings.
  await api.submit({ type: TYPE, queue, payload: PAYLOAD });
  if (blocked > 0) await api.fill(queue, blocked, BLOCKED_TYPE, 9);
  await api.fill(queue, waiting, TYPE, 5);
}

function measuresOf(queues: readonly string[], measure: (queue: string) => Measure): Record<string, Measure> {
  return Object.fromEntries(queues.map((queue) => [queue, measure(queue)]));
}

/** A claim's mean over 50, in ten turns of five sessions; what is claimed is settled then, and put in again. */
function claimMs({ api }: Bench, queue: string): Measure {
  const turns = { type: TYPE, sessions: 5, turns: 10, size: CLAIM };
  const claims = turns.sessions * turns.turns;
  return async () => {
    await api.takeTurns(queue, { ...turns, phase: "open" });
    const around: number[] = [];
    for (let i = 0; i < 5; i++)
      around.push(await timed(() => api.takeTurns(queue, { ...turns, phase: "claim", turns: 0 })));
    let claimed = 0;
    const took = await timed(async () => {
      claimed = await api.takeTurns(queue, { ...turns, phase: "claim" });
    });
    if (claimed !== claims * CLAIM) throw new Error(`${claims} claims of ${CLAIM} brought ${claimed} tasks`);
    await api.takeTurns(queue, { ...turns, phase: "settle" });
    await api.takeTurns(queue, { ...turns, phase: "close" });
    await api.fill(queue, claimed, TYPE, 5);
    return { value: (took - quantile(around, 0.5)) / claims, cpuUs: null, requests: claims };
  };
}

/** A second each: at 1,000 waiting a longer load would be about another depth. */
function submitLoad(bench: Bench, queue: string): Measure {
  const body = JSON.stringify({ type: TYPE, queue, payload: PAYLOAD });
  return loadOf({ ...bench, seconds: 1 }, { method: "POST", path: "/tasks/submissions", body });
}

function rowOf(
  name: string,
  unit: "ms" | "req/s",
  samples: readonly Sample[],
  shallow: readonly Sample[],
  isDeep: boolean,
): Row {
  const values = valuesOf(samples);
  const ratio = ratioOf(values, valuesOf(shallow));
  const goals: Goal[] =
    unit === "ms"
      ? [goal("times 1,000 waiting", "≤", FLAT, ratio.median)]
      : [goal("of 1,000 waiting", "≥", 1 / FLAT, ratio.median)];
  const row = { scenario: "depth", name, unit, figure: figureOf(values), goals: isDeep ? goals : [] };
  return plainRow(row);
}
