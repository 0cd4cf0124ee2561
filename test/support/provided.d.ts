/** What vitest.config.ts gives the tests by `inject`. */
import "vitest";

declare module "vitest" {
  interface ProvidedContext {
    /** D1 migrations, for test/support/workerd/apply-migrations.ts. */
    migrations: Awaited<ReturnType<typeof import("@cloudflare/vitest-plugin").readD1Migrations>>;
    /** docs/cost.md: inside workerd there are no files. */
    costPage: string;
    /** SIMULATION_SEEDS of the environment: how many seeds the simulation runs; null: its own number. */
    seeds: number | null;
    /** `npm run check:full`: what takes minutes runs too. */
    full: boolean;
  }
}
