/**
 * `npm run check`: everything that must hold before work is handed on, the quick things first. `--full` runs the longer
 * suites too (SLUICE_TEST_FULL, ten times the seeds); `--strict` takes documents that are missing for faults.
 */
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { checkDocs } from "./check-docs.ts";
import { checkImports } from "./check-imports.ts";
import { command, faultless, runSteps } from "./run-steps.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
const bin = (name: string) => join(ROOT, "node_modules/.bin", name);
/** wrangler asks nobody's leave and tells nobody. */
const QUIET = { WRANGLER_SEND_METRICS: "false", CI: "1" };

const { values } = parseArgs({ options: { full: { type: "boolean" }, strict: { type: "boolean" } } });
const longer = values.full === true ? { SLUICE_TEST_FULL: "1", SIMULATION_SEEDS: "20000" } : {};
const dryRun = ["deploy", "--dry-run", "--outdir", ".build/dry-run"];

const isWell = await runSteps([
  { name: "format and lint", run: command(ROOT, bin("biome"), ["ci", "--colors=off"]) },
  { name: "types of the product", run: command(ROOT, bin("tsc"), ["-p", "tsconfig.json", "--noEmit"]) },
  { name: "types of what runs on Node", run: command(ROOT, bin("tsc"), ["-p", "tsconfig.node.json", "--noEmit"]) },
  { name: "import law", run: faultless(() => ({ faults: checkImports(ROOT) })) },
  { name: "documents and tests", run: faultless(() => checkDocs(ROOT, values.strict === true)) },
  { name: "wrangler's own bundling", run: command(ROOT, bin("wrangler"), dryRun, QUIET) },
  { name: "tests", run: command(ROOT, bin("vitest"), ["run", "--reporter=dot", "--no-color"], longer) },
]);
process.exit(isWell ? 0 : 1);
