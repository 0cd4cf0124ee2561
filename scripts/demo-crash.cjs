// `npm run demo:crash`: kill the whole service, start it again, lose nothing.
require("./need-node.cjs");
void import("./commands/demo-crash.ts");
