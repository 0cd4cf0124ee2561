/**
 * node:sqlite as `Sql`, for fast tests and the simulation. `run` gives back changed rows, not billed ones: index
 * entries are not counted here.
 */
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { refusePromise } from "./refuse-promise.ts";
import type { Sql, SqlValue } from "./sql.ts";

export interface NodeSql extends Sql {
  readonly database: DatabaseSync;
}

/** @param path a file, or ":memory:" */
export function openNodeSql(path = ":memory:"): NodeSql {
  return nodeSql(new DatabaseSync(path));
}

/** A second adapter over the same database sees what the first has committed: an object that lost its memory. */
export function nodeSql(database: DatabaseSync): NodeSql {
  const prepared = new Map<string, StatementSync>();
  let depth = 0;

  function prepare(statement: string): StatementSync {
    const known = prepared.get(statement);
    if (known) return known;
    const made = database.prepare(statement);
    prepared.set(statement, made);
    return made;
  }

  const arrays = new Map<string, StatementSync>();
  function prepareArrays(statement: string): StatementSync {
    const known = arrays.get(statement);
    if (known) return known;
    const made = database.prepare(statement);
    made.setReturnArrays(true);
    arrays.set(statement, made);
    return made;
  }

  return {
    database,
    all<Row extends object>(statement: string, ...values: SqlValue[]): Row[] {
      return prepare(statement).all(...values) as Row[];
    },
    rows<Row extends readonly SqlValue[]>(statement: string, ...values: SqlValue[]): Row[] {
      const found: object[] = prepareArrays(statement).all(...values);
      return found as Row[];
    },
    run(statement: string, ...values: SqlValue[]): number {
      return Number(prepare(statement).run(...values).changes);
    },
    transaction<T>(work: () => T): T {
      // Savepoints, as in a Durable Object: an inner transaction that throws leaves the outer one's writes alone. The
      // outermost may be the output gate's (node-gate.ts).
      const savepoint = database.isTransaction ? `level_${depth}` : null;
      prepare(savepoint ? `SAVEPOINT ${savepoint}` : "BEGIN IMMEDIATE").run();
      depth++;
      try {
        const result = refusePromise(work());
        prepare(savepoint ? `RELEASE ${savepoint}` : "COMMIT").run();
        return result;
      } catch (error) {
        // SQLite ends the transaction by itself after some errors (a full disk).
        if (database.isTransaction)
          database.exec(savepoint ? `ROLLBACK TO ${savepoint}; RELEASE ${savepoint}` : "ROLLBACK");
        throw error;
      } finally {
        depth--;
      }
    },
  };
}
