/** `npm run doctor`: looks at everything that a start or a deployment needs, and names each fault with its remedy. */
import { join, resolve } from "node:path";
import { unstable_readConfig } from "wrangler";
import { sentenceOf } from "../serve/cannot-start.ts";
import { explainConfig } from "../serve/explain-config.ts";
import { readSettings } from "../serve/read-settings.ts";
import { type Finding, ill } from "./finding.ts";
import { inspectConfig } from "./inspect-config.ts";
import { inspectDependencies, inspectNode, inspectRuntime } from "./inspect-dependencies.ts";
import { inspectPort, inspectState } from "./inspect-machine.ts";

const ROOT = resolve(import.meta.dirname, "../../..");

async function examine(): Promise<Finding[]> {
  const findings = [inspectNode(process.versions.node), inspectDependencies(ROOT), inspectRuntime(ROOT)];
  try {
    const { port, state } = readSettings([], process.env, ROOT);
    findings.push(await inspectPort(port, state), inspectState(state));
  } catch (error) {
    findings.push(ill("settings", sentenceOf(error)));
  }
  const wranglerToml = join(ROOT, "wrangler.toml");
  try {
    const config = unstable_readConfig({ config: wranglerToml }, { hideWarnings: true });
    findings.push(...inspectConfig(config, process.env));
  } catch (error) {
    findings.push(ill("wrangler.toml", explainConfig(wranglerToml, error)));
  }
  return findings;
}

const findings = await examine();
for (const { what, detail, state } of findings) console.log(`${state.padEnd(7)} ${what}: ${detail}`);
const faults = findings.filter(({ state }) => state === "FAULT").length;
console.log(faults === 0 ? "Nothing is in the way of a start." : `${faults} to mend.`);
process.exit(faults === 0 ? 0 : 1);
