/** Whether what npm should have installed is there, in the versions that package.json names, and can run here. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Finding, ill, well } from "./finding.ts";

const LEAST = [22, 18] as const;

export function inspectNode(version: string): Finding {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const isEnough = major > LEAST[0] || (major === LEAST[0] && minor >= LEAST[1]);
  return isEnough
    ? well("Node", version)
    : ill("Node", `${version} is older than ${LEAST.join(".")}. Run scripts through npm, which brings a newer one.`);
}

export function inspectDependencies(root: string): Finding {
  const wanted = readJson(join(root, "package.json"));
  const wrong: string[] = [];
  for (const kind of ["dependencies", "devDependencies"])
    for (const [name, version] of Object.entries(Object(wanted?.[kind]))) {
      const there = readJson(join(root, "node_modules", name, "package.json"))?.version;
      if (typeof there !== "string") wrong.push(`${name} is missing`);
      else if (!isVersion(there, String(version))) wrong.push(`${name} is ${there} instead of ${version}`);
    }
  return wrong.length === 0
    ? well("dependencies", "as package.json names them")
    : ill("dependencies", `${wrong.slice(0, 5).join(", ")}. Run \`npm ci\`.`);
}

/** package.json names whole versions, or a major alone. */
function isVersion(there: string, wanted: string): boolean {
  return there === wanted || there.startsWith(`${wanted}.`);
}

/** The two programs that npm installs with scripts: where those were not allowed to run, they are not there. */
export function inspectRuntime(root: string): Finding {
  for (const program of ["workerd", "esbuild"]) {
    const { status, error } = spawnSync(join(root, "node_modules/.bin", program), ["--version"], { encoding: "utf8" });
    if (status !== 0)
      return ill(program, `does not run here (${error?.message ?? `code ${status}`}). Run \`npm rebuild ${program}\`.`);
  }
  return well("workerd and esbuild", "run here");
}

function readJson(path: string): Record<string, unknown> | null {
  return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : null;
}
