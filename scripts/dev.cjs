// `npm run dev`: wrangler dev with reload, migrations and cron.
require("./need-node.cjs");
void import("./commands/dev.ts");
