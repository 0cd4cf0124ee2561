// Says what to do where Node cannot read TypeScript by itself. Any Node must be able to read this: hence JavaScript.
const { existsSync } = require("node:fs");
const { join } = require("node:path");

const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 22 || (major === 22 && minor < 18)) {
  const script = process.argv[1].replace(/^.*[\\/]|\.ts$/g, "");
  const names = { serve: "npm start", test: "npm test", "demo-crash": "npm run demo:crash" };
  const command = names[script] || `npm run ${script}`;
  // npm puts the project's own Node first on PATH; where that is not there, it was not installed.
  const remedy = existsSync(join(__dirname, "../node_modules/.bin/node"))
    ? `run \`${command}\`, which brings its own`
    : "run `npm ci`, which brings one (its install scripts must be allowed)";
  process.stderr.write(`This needs Node 22.18 or newer and found ${process.versions.node}: ${remedy}.\n`);
  process.exit(1);
}
