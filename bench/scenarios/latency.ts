/**
 * Submit-to-done, one task at a time: POST, then GET ?wait=20 on the same keep-alive connection. Back to back a session
 * waits for the next task; after idleness a ticket must travel first. Beside it: a POST and a GET of the empty method.
 */
import { Connection, timed } from "../load/connection.ts";
import { figureOf, quantile, ratioOf } from "../report/figure.ts";
import { goal, plainRow } from "../report/row.ts";
import type { Bench, Scenario } from "../scenario.ts";
import { echoTask } from "./shots.ts";

export const latency: Scenario = {
  name: "latency",
  isQuick: true,
  async run(bench) {
    const { api, quick } = bench;
    await api.makeQueue("running");
    const connection = new Connection(api.url);
    const body = JSON.stringify(echoTask("running"));
    const product = () => submitToDone(connection, body);
    const floor = async () => {
      await connection.ask("POST", "/bench/empty", body);
      await connection.ask("GET", "/bench/empty");
    };
    const each = quick ? 100 : 200;
    await repeat(each, product);
    await repeat(each, floor);
    const rounds: { product: number[]; floor: number[] }[] = [];
    for (let round = 0; round < bench.rounds; round++)
      rounds.push({ product: await repeat(each, product), floor: await repeat(each, floor) });
    const idle = await afterIdleness(bench, quick ? 10 : 40, product);
    connection.close();

    const all = rounds.flatMap((round) => round.product);
    const medians = rounds.map((round) => quantile(round.product, 0.5));
    const floors = rounds.map((round) => quantile(round.floor, 0.5));
    const p50 = quantile(all, 0.5);
    const besideFloor = {
      name: "empty POST + GET",
      figure: figureOf(floors),
      ratio: ratioOf(medians, floors),
      cpuUs: null,
    };
    const row = (name: string, figure = figureOf(rounds.map((round) => quantile(round.product, Number(name) / 100)))) =>
      plainRow({ scenario: "latency", name: `submit-to-done, back to back, p${name}`, unit: "ms", figure });
    return [
      {
        ...row("50"),
        beside: [besideFloor],
        goals: [goal("ms", "≤", 4, p50), goal("ms, aimed at", "≤", 2.5, p50)],
      },
      row("95"),
      row("99"),
      plainRow({ scenario: "latency", name: "submit-to-done after idleness, p50", unit: "ms", figure: figureOf(idle) }),
    ];
  },
};

async function submitToDone(connection: Connection, body: string): Promise<void> {
  const { text } = await connection.ask("POST", "/tasks/submissions", body);
  const { id }: { id: string } = JSON.parse(text);
  const done = await connection.ask("GET", `/tasks/submissions/${id}?wait=20`);
  const { status }: { status: string } = JSON.parse(done.text);
  if (status !== "SUCCEEDED") throw new Error(`task ${id} is ${status}`);
}

async function repeat(times: number, work: () => Promise<void>): Promise<number[]> {
  const took: number[] = [];
  for (let i = 0; i < times; i++) took.push(await timed(work));
  return took;
}

async function afterIdleness({ api }: Bench, times: number, work: () => Promise<void>): Promise<number[]> {
  const took: number[] = [];
  for (let i = 0; i < times; i++) {
    await api.untilIdle("running");
    took.push(await timed(work));
  }
  return took;
}
