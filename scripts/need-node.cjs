// Says what to do where Node cannot read TypeScript by itself; where it can, keeps what it makes of it in .build, for
// threads and child processes too. Any Node must be able to read this: hence JavaScript.
const { existsSync } = require("node:fs");
const { join } = require("node:path");

const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 22 || (major === 22 && minor < 18)) {
  const script = process.argv[1].replace(/^.*[\\/]|\.cjs$/g, "");
  const names = { serve: "npm start", test: "npm test", "demo-crash": "npm run demo:crash" };
  const command = names[script] || `npm run ${script}`;
  // npm puts the project's own Node first on PATH; where that is not there, it was not installed.
  const remedy = existsSync(join(__dirname, "../node_modules/.bin/node"))
    ? `run \`${command}\`, which brings its own`
    : "run `npm ci`, which brings one (its install scripts must be allowed)";
  process.stderr.write(`This needs Node 22.18 or newer and found ${process.versions.node}: ${remedy}.\n`);
  process.exit(1);
}

process.env.NODE_COMPILE_CACHE ??= join(__dirname, "../.build/compile-cache");
// A start took 300 ms of CPU for its own 30 files each time, and takes 95.
require("node:module").enableCompileCache();
