// `npm start`: the local server.
require("./need-node.cjs");
void import("./commands/serve/serve.ts");
