/**
 * Brings an object's tables up to date. A list is append-only: an entry that has run anywhere is never changed, and
 * each one only adds, because a deploy that is rolled back leaves older code on newer tables.
 * Must stay true: what has run is a beginning of the list, or the list a beginning of it; anything else is an error,
 * and nothing was written.
 */
import type { Sql } from "./sql.ts";

export interface Migration {
  /** `{number by issue}-{words}`; unique in its list. */
  readonly id: string;
  /** One SQL statement each. */
  readonly statements: readonly string[];
}

/** "none": no migration has run here. "behind": some have. "current": all, or all and newer ones. */
export type SchemaState = "none" | "behind" | "current";

/** Answered by the object as `migration-failed`; nothing of the operation was written. */
export class MigrationError extends Error {
  override readonly name = "MigrationError";
}

const HAS_LOG = "SELECT 1 AS one FROM sqlite_master WHERE type = 'table' AND name = 'schema_migration'";
const CREATE_LOG = "CREATE TABLE schema_migration (n INTEGER PRIMARY KEY, id TEXT NOT NULL)";
const APPLIED = "SELECT id FROM schema_migration ORDER BY n";
const REMEMBER = "INSERT INTO schema_migration (n, id) VALUES (?, ?)";

/** How far the tables are. Reads only. @throws MigrationError where another list has run here */
export function schemaState(sql: Sql, migrations: readonly Migration[]): SchemaState {
  const applied = appliedIds(sql);
  verify(applied, migrations);
  if (applied.length >= migrations.length) return "current";
  return applied.length === 0 ? "none" : "behind";
}

/**
 * Runs what has not run, in one transaction (its own, or part of the caller's).
 * @throws MigrationError naming the migration that failed; its cause is SQLite's error
 */
export function migrate(sql: Sql, migrations: readonly Migration[]): void {
  sql.transaction(() => {
    const applied = appliedIds(sql);
    verify(applied, migrations);
    if (applied.length === 0 && migrations.length > 0 && !hasLog(sql)) sql.run(CREATE_LOG);
    for (const [index, migration] of migrations.entries()) if (index >= applied.length) apply(sql, index, migration);
  });
}

function apply(sql: Sql, index: number, migration: Migration): void {
  try {
    for (const statement of migration.statements) sql.run(statement);
    sql.run(REMEMBER, index + 1, migration.id);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new MigrationError(`migration ${migration.id}: ${reason}`, { cause });
  }
}

function hasLog(sql: Sql): boolean {
  return sql.all(HAS_LOG).length > 0;
}

function appliedIds(sql: Sql): string[] {
  return hasLog(sql) ? sql.all<{ id: string }>(APPLIED).map((row) => row.id) : [];
}

function verify(applied: readonly string[], migrations: readonly Migration[]): void {
  for (const [index, id] of applied.entries()) {
    const expected = migrations[index]?.id;
    if (expected !== undefined && expected !== id)
      throw new MigrationError(`migration ${index + 1} ran here as ${id}, but this code has ${expected} in its place`);
  }
}
