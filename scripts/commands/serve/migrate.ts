/**
 * Brings every D1 database of wrangler.toml that names a migrations folder to its newest table layout, recorded as
 * wrangler records it, so that `wrangler d1 migrations list NAME --local --persist-to .state` agrees. A migration is
 * applied whole or not at all. The statements go to a small Worker beside the service's own: Miniflare's proxies to a
 * database stop this thread until workerd answers, and a workerd that never does could then not even be stopped.
 */
import type { Miniflare } from "miniflare";
import { CannotStart } from "./cannot-start.ts";
import type { DatabaseOptions, WorkerOptions } from "./read-worker-options.ts";

const HOST = "migrate.sluice.internal";
const SCRIPT = `export default {
  async fetch(request, env) {
    const { binding, statements } = await request.json();
    const database = env[binding];
    const prepared = statements.map(([sql, ...values]) => database.prepare(sql).bind(...values));
    try {
      return Response.json((await database.batch(prepared)).map(({ results }) => results));
    } catch (error) {
      return new Response(error.message, { status: 500 });
    }
  },
};`;

/** The Worker that migrates, as Miniflare takes it. */
export function migrator({ d1Databases }: WorkerOptions["worker"]) {
  return {
    name: "migrate",
    modules: [{ type: "ESModule" as const, path: "index.js", contents: SCRIPT }],
    d1Databases: d1Databases as Record<string, { id: string }>,
    routes: [`${HOST}/*`],
  };
}

type Statement = readonly [sql: string, ...values: string[]];
type Rows = readonly Record<string, unknown>[];

/**
 * @param runtime one that has the {@link migrator}
 * @throws CannotStart naming the migration that failed; the ones before it stand
 */
export async function migrate(runtime: Miniflare, databases: readonly DatabaseOptions[]): Promise<void> {
  for (const database of databases) {
    const table = `"${database.table.replaceAll('"', '""')}"`;
    const run = (doing: string, statements: readonly Statement[]) => ask(runtime, database.binding, doing, statements);
    const [, rows = []] = await run("reading which migrations are applied", [
      [
        `CREATE TABLE IF NOT EXISTS ${table}(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL)`,
      ],
      [`SELECT name FROM ${table}`],
    ]);
    const applied = new Set(rows.map((row) => row.name));
    for (const { name, statements } of database.migrations)
      if (!applied.has(name))
        await run(`migration ${name}`, [
          ...statements.map((sql): Statement => [sql]),
          [`INSERT INTO ${table} (name) VALUES (?)`, name],
        ]);
  }
}

/** Runs statements in one transaction; gives back the rows of each. */
async function ask(
  runtime: Miniflare,
  binding: string,
  doing: string,
  statements: readonly Statement[],
): Promise<readonly Rows[]> {
  const body = JSON.stringify({ binding, statements });
  const answer = await runtime.dispatchFetch(`http://${HOST}/`, { method: "POST", body });
  if (answer.ok) return (await answer.json()) as readonly Rows[];
  throw new CannotStart(`The database ${binding} failed at ${doing}: ${await answer.text()}.`);
}
