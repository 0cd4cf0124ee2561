// `npm run check`: format, lint, types, laws, documents, tests.
require("./need-node.cjs");
void import("./commands/check/check.ts");
