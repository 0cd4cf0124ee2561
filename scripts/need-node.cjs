// Says what to do where Node cannot read TypeScript by itself. Any Node must be able to read this: hence JavaScript.
const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 22 || (major === 22 && minor < 18)) {
  const script = process.argv[1].replace(/^.*[\\/]|\.ts$/g, "");
  const names = { serve: "npm start", test: "npm test", "demo-crash": "npm run demo:crash" };
  const command = names[script] ?? `npm run ${script}`;
  const found = process.versions.node;
  process.stderr.write(
    `This needs Node 22.18 or newer and found ${found}: run \`${command}\`, which brings its own.\n`,
  );
  process.exit(1);
}
