/**
 * Counts what an object costs, where the product meets the platform: statements, setAlarm, D1, tickets. Nothing is
 * different until an object is told to count, so that what is timed is what ships.
 */
import type { Ports } from "../../core/ports.ts";
import type { Counts } from "./counts.ts";

export function noCounts(): Counts {
  return {
    tasks: 0,
    rowsWritten: 0,
    rowsRead: 0,
    alarms: 0,
    requests: 0,
    tickets: 0,
    deadLetters: 0,
    d1RowsWritten: 0,
    d1Calls: 0,
  };
}

/** The ports, with D1 and queues counted: a few calls a batch of tasks, so always on. */
export function countPorts(ports: Ports, counts: Counts): Ports {
  return {
    ...ports,
    sendTickets(queue, tickets) {
      counts.tickets += tickets.length;
      return ports.sendTickets(queue, tickets);
    },
    sendDeadLetters(ids) {
      counts.deadLetters += ids.length;
      return ports.sendDeadLetters(ids);
    },
    history(number) {
      const database = ports.history(number);
      if (database === null) return null;
      return {
        prepare: (statement) => database.prepare(statement),
        async batch(statements) {
          const results = await database.batch(statements);
          counts.d1Calls++;
          for (const { meta } of results) counts.d1RowsWritten += meta.rows_written ?? 0;
          return results;
        },
      };
    },
  };
}

/**
 * Puts a counter before a storage's `exec` and `setAlarm`, for as long as the object lives. A cursor knows its rows when
 * it has been read to the end, which the product's adapter does before it runs another: so each is asked a statement later.
 * @returns to be called before `counts` is read
 */
export function countStorage(storage: DurableObjectStorage, counts: Counts): () => void {
  const { sql } = storage;
  const exec = sql.exec.bind(sql);
  const setAlarm = storage.setAlarm.bind(storage);
  let last: Pick<SqlStorageCursor<Record<string, SqlStorageValue>>, "rowsRead" | "rowsWritten"> | null = null;
  const settle = () => {
    counts.rowsRead += last?.rowsRead ?? 0;
    counts.rowsWritten += last?.rowsWritten ?? 0;
    last = null;
  };
  sql.exec = <Row extends Record<string, SqlStorageValue>>(statement: string, ...values: unknown[]) => {
    settle();
    const cursor = exec<Row>(statement, ...values);
    last = cursor;
    return cursor;
  };
  storage.setAlarm = (at, options) => {
    counts.alarms++;
    return setAlarm(at, options);
  };
  return settle;
}
