/**
 * A database for each seed. Making one costs as much as thirty steps, most of it preparing statements, so seven seeds of
 * eight get one that served before, emptied: an object all of whose tasks are gone. The eighth begins with nothing.
 */

import { SHARD_MIGRATIONS } from "../../durable-objects/queue-shard/migrations.ts";
import { migrate } from "../../durable-objects/sql/migrate.ts";
import { type NodeSql, openNodeSql } from "../../durable-objects/sql/node.ts";
import { Witness } from "./witness.ts";

let used: NodeSql | null = null;

export function databaseFor(seed: number): NodeSql {
  if (seed % 8 === 0) return openNodeSql();
  if (used) empty(used);
  else {
    used = openNodeSql();
    migrate(used, SHARD_MIGRATIONS);
    new Witness(used).attend();
  }
  return used;
}

const TABLES = "SELECT name FROM main.sqlite_master WHERE type = 'table' AND name <> 'schema_migration'";

function empty(sql: NodeSql): void {
  // A run that failed may have left its transaction open.
  if (sql.database.isTransaction) sql.run("ROLLBACK");
  for (const { name } of sql.all<{ name: string }>(TABLES)) sql.run(`DELETE FROM ${name}`);
  for (const name of ["seen_move", "seen_flush"]) sql.run(`DELETE FROM ${name}`);
}
