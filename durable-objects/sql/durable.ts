/**
 * A Durable Object's storage as `Sql`. What one turn of the event loop writes is one commit, and answers and outgoing
 * calls wait for it (the output gate), so an operation that returned has been kept.
 */

import { refusePromise } from "./refuse-promise.ts";
import type { Sql, SqlValue } from "./sql.ts";

/** @param storage `ctx.storage` of an object whose class is in `new_sqlite_classes` */
export function durableSql(storage: DurableObjectStorage): Sql {
  const { sql } = storage;
  return {
    all<Row extends object>(statement: string, ...values: SqlValue[]): Row[] {
      return sql.exec(statement, ...values).toArray() as Row[];
    },
    rows<Row extends readonly SqlValue[]>(statement: string, ...values: SqlValue[]): Row[] {
      const found: object[] = Array.from(sql.exec(statement, ...values).raw());
      return found as Row[];
    },
    run(statement: string, ...values: SqlValue[]): number {
      const cursor = sql.exec(statement, ...values);
      // Rows written are complete only once the cursor has run to its end.
      cursor.toArray();
      return cursor.rowsWritten;
    },
    transaction<T>(work: () => T): T {
      return storage.transactionSync(() => refusePromise(work()));
    },
  };
}
