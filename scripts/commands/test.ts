/** `npm test`: every test of every project. What follows `--` goes to vitest: `npm test -- --project node test/core`. */
import { spawn } from "node:child_process";
import { join, resolve } from "node:path";
import { withOwnNode } from "./own-node.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const vitest = spawn(join(ROOT, "node_modules/.bin/vitest"), ["run", ...process.argv.slice(2)], {
  cwd: ROOT,
  env: withOwnNode(ROOT, process.env),
  stdio: "inherit",
});
vitest.on("exit", (code) => process.exit(code ?? 1));
