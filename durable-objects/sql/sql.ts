/**
 * The little that a shard asks of SQLite. Two adapters: `durable.ts` (a Durable Object's storage) and `node.ts`
 * (node:sqlite, for the simulation and fast tests); test/contract/ runs one suite on both.
 */
export type SqlValue = string | number | null;

export interface Sql {
  /** Rows of a query, or of a statement with RETURNING. */
  all<Row extends object>(statement: string, ...values: SqlValue[]): Row[];
  /** Runs a statement; gives back rows written as Cloudflare bills them (index entries included), or changes on Node. */
  run(statement: string, ...values: SqlValue[]): number;
  /** Runs synchronously: all of it or, if `work` throws, none. A promise as its result is an error. */
  transaction<T>(work: () => T): T;
}
