/** Rows as people read them: what was got, with its spread, what it is held against, and which goals are met. */
import type { Figure } from "./figure.ts";
import type { Goal, Row } from "./row.ts";

/** Of a row's name. */
const WIDTH = 62;

export function rowLines(row: Row): string[] {
  const cpu = row.cpuUs === null ? "" : `   cpu ${number(row.cpuUs.median)} µs`;
  const lines = [`  ${row.name.padEnd(WIDTH)} ${figure(row.figure).padStart(24)} ${row.unit}${cpu}`];
  for (const { name, figure: floor, ratio, cpuUs } of row.beside) {
    const floorCpu =
      cpuUs === null || row.cpuUs === null
        ? ""
        : `   cpu ${number(cpuUs.median)} µs (ratio ${number(cpuUs.median / row.cpuUs.median)})`;
    lines.push(
      `      beside ${name.padEnd(WIDTH - 11)} ${figure(floor).padStart(24)}   ratio ${figure(ratio)}${floorCpu}`,
    );
  }
  for (const goal of row.goals) lines.push(`      goal   ${goalText(goal)}`);
  if (row.note !== null) lines.push(`      ${row.note}`);
  for (const [peer, got] of Object.entries(row.peers)) lines.push(`      peer   ${peer} ${figure(got)}`);
  return lines;
}

/** The goals alone, at the end of a run. */
export function goalTable(rows: readonly Row[]): string[] {
  const goals = rows.flatMap((row) => row.goals.map((goal) => ({ name: row.name, goal })));
  const met = goals.filter(({ goal }) => goal.met).length;
  const lines = goals.map(
    ({ name, goal: { what, sign, goal, got, met } }) =>
      `  ${met ? "met   " : "MISSED"} ${name.padEnd(WIDTH)} ${number(got).padStart(9)}  (${sign} ${number(goal)} ${what})`,
  );
  return [`Goals: ${met} of ${goals.length} met`, ...lines];
}

function goalText({ what, sign, goal, got, met }: Goal): string {
  return `${sign} ${number(goal)} ${what}: got ${number(got)}, ${met ? "met" : "MISSED"}`;
}

function figure({ median, low, high, of }: Figure): string {
  return of === 1 ? number(median) : `${number(median)} (${number(low)}–${number(high)})`;
}

/** Three digits that matter, whole thousands apart. */
export function number(value: number): string {
  if (Math.abs(value) >= 1_000) return Math.round(value).toLocaleString("en");
  return String(Number(value.toPrecision(3)));
}
