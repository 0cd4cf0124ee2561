/** Before each file of test/workerd: every database has the tables that a deployment would have. */
import { applyD1Migrations } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { inject } from "vitest";

for (const database of [env.HISTORY_0, env.HISTORY_1]) await applyD1Migrations(database, inject("migrations"));
