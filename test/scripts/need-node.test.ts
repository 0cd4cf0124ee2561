/** Where an old Node stands first on PATH, the scripts run with the project's own; without one they say what to do. */
import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { afterAll, expect, it } from "vitest";

const ROOT = resolve(import.meta.dirname, "../..");
const scratch = mkdtempSync(join(tmpdir(), "sluice-node-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** A folder with a `node` that passes for Node 20. */
const old = join(scratch, "old");
mkdirSync(old);
writeFileSync(join(old, "age.cjs"), `Object.defineProperty(process.versions, "node", { value: "20.11.0" });`);
writeFileSync(join(old, "node"), `#!/bin/sh\nexec '${process.execPath}' -r '${join(old, "age.cjs")}' "$@"\n`);
chmodSync(join(old, "node"), 0o755);

/** Runs with the old Node before all others on PATH, and without what the npm that runs these tests says of itself. */
function run(command: string, args: readonly string[], cwd = ROOT) {
  const rest = Object.entries(process.env).filter(([name]) => !name.startsWith("npm_"));
  const path = (process.env.PATH ?? "").split(delimiter).filter((folder) => !folder.includes("node_modules"));
  const env = {
    ...Object.fromEntries(rest),
    PATH: [old, ...path].join(delimiter),
    npm_config_update_notifier: "false",
  };
  const { status, stderr } = spawnSync(command, args, { cwd, env, encoding: "utf8", timeout: 60_000 });
  return { status, stderr };
}

it("196 with an old Node first on PATH, npm runs the scripts with the project's own", () => {
  expect(run("node", ["-e", "process.exit(process.versions.node === '20.11.0' ? 0 : 1)"])).toMatchObject({ status: 0 });
  const { status, stderr } = run("npm", ["start", "--", "--port", "80x"]);
  expect(status).toBe(1);
  expect(stderr).toContain('Sluice cannot start. --port is "80x"');
  expect(stderr).not.toContain("20.11.0");
});

it("196 an old Node that is called by name is told the command that brings a newer one", () => {
  expect(run("node", ["scripts/serve.cjs"])).toEqual({
    status: 1,
    stderr: "This needs Node 22.18 or newer and found 20.11.0: run `npm start`, which brings its own.\n",
  });
});

it("196 where the project's own Node is not installed, an old one is told how to install it", () => {
  const bare = join(scratch, "bare");
  mkdirSync(join(bare, "scripts"), { recursive: true });
  for (const file of ["package.json", "scripts/need-node.cjs", "scripts/serve.cjs"])
    cpSync(join(ROOT, file), join(bare, file));
  const { status, stderr } = run("npm", ["start"], bare);
  expect(status).toBe(1);
  expect(stderr).toContain(
    "This needs Node 22.18 or newer and found 20.11.0: run `npm ci`, which brings one (its install scripts must be allowed).\n",
  );
});
