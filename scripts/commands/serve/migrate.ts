/**
 * Brings every D1 database of wrangler.toml that names a migrations folder to its newest table layout, recorded as
 * wrangler records it, so that `wrangler d1 migrations list NAME --local --persist-to .state` agrees. A migration is
 * applied whole or not at all.
 */
import { CannotStart } from "./cannot-start.ts";
import type { DatabaseOptions } from "./read-worker-options.ts";

/** The part of D1 that this needs. */
export interface Database {
  prepare(statement: string): Statement;
  batch(statements: Statement[]): Promise<unknown>;
}
interface Statement {
  bind(...values: string[]): Statement;
  all(): Promise<{ readonly results: readonly Record<string, unknown>[] }>;
}

/**
 * The names of those that were applied now.
 * @throws CannotStart naming the migration that failed; the ones before it stand
 */
export async function migrate(database: Database, wanted: DatabaseOptions): Promise<string[]> {
  const table = `"${wanted.table.replaceAll('"', '""')}"`;
  const applied: string[] = [];
  let doing = "reading which migrations are applied";
  try {
    await database
      .prepare(
        `CREATE TABLE IF NOT EXISTS ${table}(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL)`,
      )
      .all();
    const { results } = await database.prepare(`SELECT name FROM ${table}`).all();
    const known = new Set(results.map((row) => row.name));
    for (const { name, statements } of wanted.migrations) {
      if (known.has(name)) continue;
      doing = `migration ${name}`;
      const prepared = statements.map((statement) => database.prepare(statement));
      await database.batch([...prepared, database.prepare(`INSERT INTO ${table} (name) VALUES (?)`).bind(name)]);
      applied.push(name);
    }
    return applied;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CannotStart(`The database ${wanted.binding} failed at ${doing}: ${reason}.`);
  }
}
