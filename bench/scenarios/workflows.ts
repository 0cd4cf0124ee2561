/**
 * Runs of workflows, each submitted and waited for by a client that then begins the next: chains of five, and a hundred
 * tasks of which one waits for all others. Beside each what it takes the place of: a client that submits the same tasks
 * itself when those before them have ended. And how soon a task starts after the one that it waits for has ended.
 */
import { performance } from "node:perf_hooks";
import type { EndedTask } from "../load/api.ts";
import { Connection } from "../load/connection.ts";
import { figureOf, quantile } from "../report/figure.ts";
import { plainRow, type Row } from "../report/row.ts";
import { alternate, type Bench, beside, type Measure, type Scenario, valuesOf } from "../scenario.ts";
import { echoTask, PAYLOAD } from "./shots.ts";

const QUEUE = "flows";
const LONG = 5;
const WIDE = 100;
/** Clients at a time. */
const CHAINS = 16;
const FANS = 4;

const step = { type: "echo", queue: QUEUE, payload: PAYLOAD };
const CHAIN = JSON.stringify({ chain: Array.from({ length: LONG }, () => step) });
const FAN = JSON.stringify({ chord: { group: Array.from({ length: WIDE - 1 }, () => step), finally: step } });
const TASK = JSON.stringify(echoTask(QUEUE));
const BATCH = JSON.stringify({ tasks: Array.from({ length: WIDE - 1 }, () => echoTask(QUEUE)) });

export const workflows: Scenario = {
  name: "workflows",
  isQuick: false,
  async run(bench) {
    await bench.api.makeQueue(QUEUE);
    const rows = [
      await besideClient(
        bench,
        `chains of ${LONG}, ${CHAINS} at a time`,
        CHAINS,
        (it) => runToEnd(it, CHAIN),
        chainByHand,
      ),
      await besideClient(bench, `fans of ${WIDE}, ${FANS} at a time`, FANS, (it) => runToEnd(it, FAN), fanByHand),
    ];
    return [...rows, ...(await hops(bench))];
  },
};

type Client = (connection: Connection) => Promise<unknown>;

async function besideClient(bench: Bench, name: string, clients: number, flow: Client, byHand: Client): Promise<Row> {
  const samples = await alternate(bench.rounds, {
    flow: manyOf(bench, clients, flow),
    byHand: manyOf(bench, clients, byHand),
  });
  return plainRow({
    scenario: "workflows",
    name,
    unit: "runs/s",
    figure: figureOf(valuesOf(samples.flow)),
    beside: [beside("a client that waits for each", samples.flow, samples.byHand)],
  });
}

/** Whole runs a second of so many clients, each with one at a time. */
function manyOf({ api, seconds }: Bench, clients: number, flow: Client): Measure {
  return async () => {
    const since = performance.now();
    const counts = await Promise.all(
      Array.from({ length: clients }, async () => {
        const connection = new Connection(api.url);
        let done = 0;
        for (; performance.now() - since < seconds * 1_000; done++) await flow(connection);
        connection.close();
        return done;
      }),
    );
    const requests = counts.reduce((sum, count) => sum + count, 0);
    const value = requests / ((performance.now() - since) / 1_000);
    await api.untilFlushed(QUEUE, 20);
    return { value, cpuUs: null, requests };
  };
}

async function runToEnd(connection: Connection, body: string): Promise<string> {
  const { id } = JSON.parse((await connection.ask("POST", "/workflows", body)).text) as { id: string };
  await ended(connection, `/workflows/${id}?wait=20`);
  return id;
}

async function taskToEnd(connection: Connection): Promise<EndedTask> {
  const { id } = JSON.parse((await connection.ask("POST", "/tasks/submissions", TASK)).text) as { id: string };
  return await ended<EndedTask>(connection, `/tasks/submissions/${id}?wait=20`);
}

async function ended<T extends { readonly status: string }>(connection: Connection, path: string): Promise<T> {
  const answer = JSON.parse((await connection.ask("GET", path)).text) as T;
  if (answer.status !== "SUCCEEDED") throw new Error(`${path} is ${answer.status}`);
  return answer;
}

async function chainByHand(connection: Connection): Promise<EndedTask[]> {
  const tasks: EndedTask[] = [];
  while (tasks.length < LONG) tasks.push(await taskToEnd(connection));
  return tasks;
}

async function fanByHand(connection: Connection): Promise<void> {
  const answer = JSON.parse((await connection.ask("POST", "/tasks/submissions", BATCH)).text) as { batch: string };
  await connection.ask("GET", `/tasks/submissions?batch=${answer.batch}&wait=20`);
  await taskToEnd(connection);
}

/** From a task's end to the start of the next, one run at a time. */
async function hops({ api, quick }: Bench): Promise<Row[]> {
  const connection = new Connection(api.url);
  const flow: number[] = [];
  const byHand: number[] = [];
  for (let i = 0; i < (quick ? 20 : 100); i++) {
    const id = await runToEnd(connection, CHAIN);
    const { text } = await connection.ask("GET", `/workflows/${id}?nodes=true`);
    const { nodes } = JSON.parse(text) as { nodes: readonly { readonly task: string }[] };
    const tasks: EndedTask[] = [];
    for (const { task } of nodes) tasks.push(await api.ended(task));
    flow.push(...gapsOf(tasks));
    byHand.push(...gapsOf(await chainByHand(connection)));
  }
  connection.close();
  const row = (name: string, gaps: readonly number[], share: number) =>
    plainRow({ scenario: "workflows", name, unit: "ms", figure: { ...figureOf(gaps), median: quantile(gaps, share) } });
  return [
    row("from a node's end to the start of the next, p50", flow, 0.5),
    row("the same, p95", flow, 0.95),
    row("from a task's end to the next's start, by a client that waits, p50", byHand, 0.5),
    row("the same, p95", byHand, 0.95),
  ];
}

function gapsOf(tasks: readonly EndedTask[]): number[] {
  return tasks.slice(1).map(({ attempts, id }, i) => {
    const before = tasks[i]?.attempts.at(-1)?.endedAt;
    const [first] = attempts;
    if (!first || !before) throw new Error(`the task ${id}, or the one before it, has no attempt`);
    return Date.parse(first.startedAt) - Date.parse(before);
  });
}
