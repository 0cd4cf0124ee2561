/**
 * D1 on node:sqlite: the same statements, a batch is one transaction, and the refusals of D1 in D1's words (2 MB a
 * value, 100 of them a statement). `fault` is asked before each call, for a test that wants the database away.
 */
import { readdirSync, readFileSync } from "node:fs";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { HistoryDatabase, HistoryResult, HistoryStatement } from "../../../core/ports.ts";

type Value = string | number | null;
const MAX_VALUE_BYTES = 2_000_000;
const MAX_VALUES = 100;
const CODES: Readonly<Record<number, string>> = { 1: "ERROR", 18: "TOOBIG", 19: "CONSTRAINT", 20: "MISMATCH" };

export class NodeD1 implements HistoryDatabase {
  readonly sqlite = new DatabaseSync(":memory:");
  /** SQL of each statement, in the order of the calls; a batch is one call. */
  readonly calls: string[][] = [];
  /** Throws or waits in D1's place. */
  fault: (statements: readonly NodeStatement[]) => void | Promise<void> = () => {};

  constructor() {
    const folder = new URL("../../../migrations/", import.meta.url);
    for (const name of readdirSync(folder).sort()) this.sqlite.exec(readFileSync(new URL(name, folder), "utf8"));
  }

  readonly #prepared = new Map<string, StatementSync>();

  prepared(statement: string): StatementSync {
    const known = this.#prepared.get(statement) ?? this.sqlite.prepare(statement);
    this.#prepared.set(statement, known);
    return known;
  }

  prepare(statement: string): NodeStatement {
    return new NodeStatement(this, statement, []);
  }

  async batch(statements: HistoryStatement[]): Promise<HistoryResult[]> {
    const own = statements.filter((statement) => statement instanceof NodeStatement);
    if (own.length !== statements.length) throw new Error("not statements of this database");
    this.calls.push(own.map(({ sql }) => sql));
    await this.fault(own);
    this.sqlite.exec("BEGIN");
    try {
      const results = own.map((statement) => statement.execute());
      this.sqlite.exec("COMMIT");
      return results;
    } catch (error) {
      this.sqlite.exec("ROLLBACK");
      throw error;
    }
  }

  /** Rows of a query, for a test that looks. */
  rows(query: string): Record<string, unknown>[] {
    return this.sqlite.prepare(query).all();
  }
}

export class NodeStatement implements HistoryStatement {
  readonly sql: string;
  readonly values: readonly Value[];
  readonly #database: NodeD1;

  constructor(database: NodeD1, sql: string, values: readonly Value[]) {
    this.#database = database;
    this.sql = sql;
    this.values = values;
  }

  bind(...values: Value[]): NodeStatement {
    return new NodeStatement(this.#database, this.sql, values);
  }

  async run(): Promise<HistoryResult> {
    const [result] = await this.#database.batch([this]);
    if (!result) throw new Error("no result");
    return result;
  }

  execute(): HistoryResult {
    try {
      if (this.values.length > MAX_VALUES) throw new Error("too many SQL variables: SQLITE_ERROR");
      for (const value of this.values)
        if (typeof value === "string" && Buffer.byteLength(value) > MAX_VALUE_BYTES)
          throw new Error("string or blob too big: SQLITE_TOOBIG");
      const before = changesOf(this.#database);
      const results = this.#database.prepared(this.sql).all(...this.values);
      const changes = changesOf(this.#database) - before;
      return { results, meta: { changes, rows_written: changes, rows_read: 0 } };
    } catch (error) {
      throw asD1Error(error);
    }
  }
}

function changesOf(database: NodeD1): number {
  return Number(database.prepared("SELECT total_changes() AS n").get()?.n);
}

function asD1Error(error: unknown): Error {
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error && "errcode" in error ? Number(error.errcode) & 0xff : null;
  return new Error(`D1_ERROR: ${message}${code === null ? "" : `: SQLITE_${CODES[code] ?? "ERROR"}`}`);
}
