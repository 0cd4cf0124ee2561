/** Before each file of test/workerd: every database has the tables that a deployment would have. */
import { applyD1Migrations } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { inject } from "vitest";

await applyD1Migrations(env.HISTORY_0, inject("migrations"));
