/**
 * `npm run bench`: what Sluice does on this machine, beside floors of the same run. `--quick`: fewer rows, shorter.
 * `--only name`: those scenarios alone (several: --only a --only b). Prints as it goes; results/latest.json is the same
 * for programs (of a part of the bench: results/partial.json.tmp, which git leaves alone). Exit code 1 where a scenario
 * failed, not where a goal was missed.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Api } from "./load/api.ts";
import { findLoader } from "./load/shot.ts";
import { goalTable, rowLines } from "./report/print.ts";
import type { Row } from "./report/row.ts";
import type { Scenario } from "./scenario.ts";
import { batch } from "./scenarios/batch.ts";
import { depth } from "./scenarios/depth.ts";
import { drain } from "./scenarios/drain.ts";
import { execute } from "./scenarios/execute.ts";
import { latency } from "./scenarios/latency.ts";
import { quickBehindLong } from "./scenarios/quick-behind-long.ts";
import { rows } from "./scenarios/rows.ts";
import { schedules } from "./scenarios/schedules.ts";
import { status } from "./scenarios/status.ts";
import { submit } from "./scenarios/submit.ts";
import { workflows } from "./scenarios/workflows.ts";
import { ROOT, startService } from "./service/start.ts";

const SCENARIOS: readonly Scenario[] = [
  submit,
  execute,
  batch,
  status,
  latency,
  quickBehindLong,
  drain,
  depth,
  workflows,
  schedules,
  rows,
];

const { values: flags } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    only: { type: "string", multiple: true },
    rounds: { type: "string" },
    seconds: { type: "string" },
  },
});
const chosen = SCENARIOS.filter(({ name, isQuick }) => flags.only?.includes(name) ?? (isQuick || !flags.quick));
const unknown = flags.only?.filter((name) => !SCENARIOS.some((scenario) => scenario.name === name)) ?? [];
if (unknown.length > 0) {
  process.stderr.write(
    `No scenario ${unknown.join(", ")}; there are ${SCENARIOS.map(({ name }) => name).join(", ")}.\n`,
  );
  process.exit(1);
}
const loader = findLoader();
const rounds = Number(flags.rounds ?? (flags.quick ? 2 : 5));
const seconds = Number(flags.seconds ?? (flags.quick ? 1 : 3));
// By itself a signal would end this process without its exit handlers, which stop the service.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(1));

// A reader that went away (… | head) has seen enough.
process.stdout.on("error", () => process.exit(1));
const say = (lines: readonly string[]) => void process.stdout.write(`${lines.join("\n")}\n`);

const machine = {
  at: new Date().toISOString(),
  commit: commitOf(),
  cpus: cpus().length,
  cpu: cpus()[0]?.model ?? "unknown",
  loadBefore: loadavg()[0] ?? 0,
  node: process.version,
  loader,
  rounds,
  seconds,
};
say([
  `${machine.cpus} × ${machine.cpu}, load ${machine.loadBefore.toFixed(1)}, by ${loader}, ${rounds} rounds of ${seconds} s`,
]);

const found: Row[] = [];
let failed = false;
for (const scenario of chosen) {
  say([`${scenario.name}`]);
  try {
    const service = await startService();
    try {
      const api = new Api(service.url);
      const got = await scenario.run({ service, api, loader, quick: flags.quick, rounds, seconds });
      for (const row of got) say(rowLines(row));
      found.push(...got);
    } finally {
      await service.stop();
    }
  } catch (error) {
    failed = true;
    say([`  failed: ${error instanceof Error ? error.stack : String(error)}`]);
  }
}
say(goalTable(found));
const report = { machine: { ...machine, loadAfter: loadavg()[0] ?? 0 }, rows: found };
const file = flags.quick || flags.only ? "partial.json.tmp" : "latest.json";
mkdirSync(join(ROOT, "bench/results"), { recursive: true });
writeFileSync(join(ROOT, "bench/results", file), `${JSON.stringify(report, null, 2)}\n`);
process.exitCode = failed ? 1 : 0;

function commitOf(): string {
  try {
    return execFileSync("git", ["describe", "--always", "--dirty"], { cwd: ROOT, encoding: "utf8" }).trim();
  } catch {
    return "unknown";
  }
}
