/** The table of docs/cost.md is what is counted: each feature's rows, in a real object and a real D1. */
import { expect, inject, it } from "vitest";
import { FEATURES } from "../support/workerd/cost-features.ts";
import { costOf, type Rows } from "../support/workerd/count-cost.ts";

const HEAD = ["| each task | shard | D1 | more than one that simply runs | $ a million |", "|---|---|---|---|---|"];

function line(name: string, { shard, d1 }: Rows, plain: Rows): string {
  const total = shard + d1;
  const more = total - plain.shard - plain.d1;
  const told = Math.abs(more) < 0.005 ? "0" : `${more > 0 ? "+" : "−"}${Math.abs(more).toFixed(2)}`;
  return `| ${name} | ${shard.toFixed(2)} | ${d1.toFixed(2)} | ${told} | ${total.toFixed(2)} |`;
}

it("299 docs/cost.md has each feature's rows as they are counted", async () => {
  const rows: Rows[] = [];
  for (const feature of FEATURES) rows.push(await costOf(feature));
  const [plain] = rows;
  if (!plain) throw new Error("nothing was counted");
  const table = [...HEAD, ...FEATURES.map(({ name }, i) => line(name, rows[i] ?? plain, plain))].join("\n");
  expect(inject("costPage"), `docs/cost.md must have this table:\n${table}\n`).toContain(table);
});
