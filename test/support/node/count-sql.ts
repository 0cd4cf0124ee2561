import type { Sql } from "../../../durable-objects/sql/sql.ts";

/** Counts what is asked of SQL from now on. */
export function countSql(sql: Sql): { reads: number; writes: number } {
  const counts = { reads: 0, writes: 0 };
  const { all, rows, run } = sql;
  sql.all = (statement, ...values) => {
    counts.reads++;
    return all(statement, ...values);
  };
  sql.rows = (statement, ...values) => {
    counts.reads++;
    return rows(statement, ...values);
  };
  sql.run = (statement, ...values) => {
    counts.writes++;
    return run(statement, ...values);
  };
  return counts;
}
