// `npm run doctor`: what is missing here, and the remedy.
require("./need-node.cjs");
void import("./commands/doctor/doctor.ts");
