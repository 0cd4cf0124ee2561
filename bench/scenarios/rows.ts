/**
 * Rows written a task, in the shard and in D1, and what a million such tasks cost: under two kinds of load, with one
 * task after the other, and with each task alone, where nothing is shared. The object counts; it has run tasks before,
 * so tables and settings are not in it.
 */
import { Connection } from "../load/connection.ts";
import { shoot } from "../load/shot.ts";
import { figureOf } from "../report/figure.ts";
import { priceOfMillion, type Spent, sumOf } from "../report/price.ts";
import { goal, plainRow, type Row } from "../report/row.ts";
import type { Bench, Scenario } from "../scenario.ts";
import { cpuTime } from "../service/cpu-time.ts";
import { echoTask, submission } from "./shots.ts";

const QUEUE = "counted";
const ROWS_GOAL = 4.2;
const D1_ROWS_GOAL = 1.1;

/** How tasks come. @returns how many a request brings */
type Arrival = (bench: Bench) => Promise<number>;

const ARRIVALS: Readonly<Record<string, Arrival>> = {
  "batches of 1,000": async ({ api }) => {
    const batch = Array.from({ length: 1_000 }, () => echoTask(QUEUE));
    for (let i = 0; i < 20; i++) await api.submitBatch(batch);
    return batch.length;
  },
  "50 connections": async ({ loader, api }) => {
    await shoot(loader, api.url, submission(QUEUE), 3);
    return 1;
  },
  "one after the other": async ({ api }) => {
    const connection = new Connection(api.url);
    for (let i = 0; i < 200; i++) await runOne(connection);
    connection.close();
    return 1;
  },
  "each alone": async ({ api }) => {
    const connection = new Connection(api.url);
    for (let i = 0; i < 30; i++) {
      await runOne(connection);
      await api.untilIdle(QUEUE);
    }
    connection.close();
    return 1;
  },
};

export const rows: Scenario = {
  name: "rows",
  isQuick: false,
  async run(bench) {
    const { api } = bench;
    await api.makeQueue(QUEUE);
    await api.submit(echoTask(QUEUE));
    const found: Row[] = [];
    for (const [name, arrive] of Object.entries(ARRIVALS)) {
      await api.untilIdle(QUEUE);
      found.push(...rowsOf(name, await countOf(bench, arrive)));
    }
    return found;
  },
};

async function countOf(bench: Bench, arrive: Arrival): Promise<Spent> {
  const { api, service } = bench;
  const cpu = cpuTime(service.pid);
  await api.startCounting(QUEUE);
  const since = performance.now();
  const tasksARequest = await arrive(bench);
  await api.untilIdle(QUEUE);
  const seconds = (performance.now() - since) / 1_000;
  const counts = await api.counted(QUEUE);
  const spent = cpuTime(service.pid);
  service.forgetLog();
  return { tasksARequest, seconds, counts, cpuMs: cpu === null || spent === null ? null : (spent - cpu) / 1_000 };
}

function rowsOf(name: string, spent: Spent): Row[] {
  const { counts } = spent;
  const { tasks } = counts;
  const isLoad = name === "batches of 1,000" || name === "50 connections";
  const shard = (counts.rowsWritten + counts.alarms) / tasks;
  const d1 = counts.d1RowsWritten / tasks;
  const price = priceOfMillion(spent);
  const row = (what: string, unit: Row["unit"], value: number, more: Partial<Row> = {}) =>
    plainRow({ scenario: "rows", name: `${what}, ${name}`, unit, figure: figureOf([value]), ...more });
  const rate = (count: number) => (count / tasks).toFixed(3);
  const parts = `a task: ${rate(counts.rowsWritten)} rows, ${rate(counts.alarms)} setAlarm, ${rate(counts.requests)} object requests, ${rate(counts.tickets)} tickets, ${rate(counts.rowsRead)} rows read`;
  const lines = Object.entries(price).map(([line, dollars]) => `${line} ${dollars.toFixed(3)}`);
  return [
    row("rows a task in the shard", "rows", shard, {
      note: parts,
      goals: isLoad ? [goal("rows", "≤", ROWS_GOAL, shard)] : [],
    }),
    row("rows a task in D1", "rows", d1, { goals: isLoad ? [goal("rows", "≤", D1_ROWS_GOAL, d1)] : [] }),
    row("a million tasks", "$", sumOf(price), { note: lines.join(", ") }),
  ];
}

async function runOne(connection: Connection): Promise<void> {
  const { text } = await connection.ask("POST", "/tasks/submissions", JSON.stringify(echoTask(QUEUE)));
  const { id }: { id: string } = JSON.parse(text);
  await connection.ask("GET", `/tasks/submissions/${id}?wait=20`);
}
