// `npm test`: every test.
require("./need-node.cjs");
void import("./commands/test.ts");
