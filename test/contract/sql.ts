/**
 * What the product relies on in `Sql`, checked on both adapters: test/contract/sql.test.ts runs it on node:sqlite,
 * test/workerd/sql.test.ts inside a Durable Object. Each case gets a database of its own and is synchronous, because it
 * runs inside an object there.
 */
import { expect } from "vitest";
import { type Migration, migrate, schemaState } from "../../durable-objects/sql/migrate.ts";
import type { Sql } from "../../durable-objects/sql/sql.ts";

export interface SqlCase {
  readonly name: string;
  check(sql: Sql): void;
}

const FIRST: Migration = { id: "1-first", statements: ["CREATE TABLE a (n INTEGER PRIMARY KEY, t TEXT)"] };
const SECOND: Migration = {
  id: "2-second",
  statements: ["ALTER TABLE a ADD COLUMN u TEXT", "INSERT INTO a VALUES (1, 'x', 'y')"],
};
const BROKEN: Migration = {
  id: "2-broken",
  statements: ["ALTER TABLE a ADD COLUMN u TEXT", "INSERT INTO nowhere VALUES (1)"],
};

function withTable(sql: Sql): Sql {
  sql.run("CREATE TABLE a (n INTEGER PRIMARY KEY, t TEXT)");
  return sql;
}

function numbers(sql: Sql): number[] {
  return sql.all<{ n: number }>("SELECT n FROM a ORDER BY n").map((row) => row.n);
}

export const SQL_CASES: readonly SqlCase[] = [
  {
    name: "values come back as they went in",
    check(sql) {
      withTable(sql).run(
        "INSERT INTO a VALUES (?, ?), (?, ?)",
        Number.MAX_SAFE_INTEGER,
        "quote ' \u0000 ü 🙂",
        2,
        null,
      );
      expect(sql.all("SELECT n, t FROM a ORDER BY n")).toEqual([
        { n: 2, t: null },
        { n: Number.MAX_SAFE_INTEGER, t: "quote ' \u0000 ü 🙂" },
      ]);
    },
  },
  {
    name: "rows come as arrays too, from a query and from RETURNING, in the order of their columns",
    check(sql) {
      const inserted = withTable(sql).rows("INSERT INTO a VALUES (1, 'x'), (2, NULL) RETURNING t, n");
      expect(inserted).toEqual([
        ["x", 1],
        [null, 2],
      ]);
      expect(sql.rows("SELECT n, t FROM a WHERE n > ? ORDER BY n", 0)).toEqual([
        [1, "x"],
        [2, null],
      ]);
    },
  },
  {
    name: "a bound number is a REAL until a column makes an INTEGER of it",
    check(sql) {
      expect(sql.all("SELECT typeof(?) AS bound", 5)).toEqual([{ bound: "real" }]);
      withTable(sql).run("INSERT INTO a VALUES (?, ?)", 5, "x");
      expect(sql.all("SELECT typeof(n) AS kept, n / 2 AS half FROM a")).toEqual([{ kept: "integer", half: 2 }]);
    },
  },
  {
    name: "numbered parameters may be used twice, and a bound LIMIT holds",
    check(sql) {
      withTable(sql).run("INSERT INTO a SELECT value, ?2 || ?2 FROM json_each(?1)", "[1,2,3]", "z");
      expect(sql.all("SELECT n, t FROM a ORDER BY n LIMIT ?", 2)).toEqual([
        { n: 1, t: "zz" },
        { n: 2, t: "zz" },
      ]);
    },
  },
  {
    name: "RETURNING gives rows, and upserts tell old from new",
    check(sql) {
      withTable(sql).run("INSERT INTO a VALUES (1, 'old')");
      const upsert =
        "INSERT INTO a VALUES (?, ?) ON CONFLICT (n) DO UPDATE SET t = excluded.t WHERE t <> excluded.t RETURNING n, t";
      expect(sql.all(upsert, 1, "new")).toEqual([{ n: 1, t: "new" }]);
      expect(sql.all(upsert, 1, "new")).toEqual([]);
    },
  },
  {
    name: "run counts the rows that were written, and none where none was",
    check(sql) {
      withTable(sql);
      expect(sql.run("INSERT INTO a SELECT value, NULL FROM json_each('[1,2,3]')")).toBe(3);
      expect(sql.run("UPDATE a SET t = 'x' WHERE n > 1")).toBe(2);
      expect(sql.run("DELETE FROM a WHERE n > 7")).toBe(0);
    },
  },
  {
    name: "a transaction is all or nothing, and gives back what its work gives back",
    check(sql) {
      withTable(sql);
      expect(sql.transaction(() => sql.run("INSERT INTO a VALUES (1, 'kept')"))).toBe(1);
      expect(() =>
        sql.transaction(() => {
          sql.run("INSERT INTO a VALUES (2, 'lost')");
          throw new Error("on purpose");
        }),
      ).toThrow("on purpose");
      expect(numbers(sql)).toEqual([1]);
    },
  },
  {
    name: "a statement that fails undoes itself alone, and its transaction where nobody catches it",
    check(sql) {
      withTable(sql).run("INSERT INTO a VALUES (1, 'x')");
      sql.transaction(() => {
        sql.run("INSERT INTO a VALUES (2, 'y')");
        expect(() => sql.run("INSERT INTO a SELECT value, NULL FROM json_each('[3,1]')")).toThrow(/UNIQUE/);
      });
      expect(numbers(sql)).toEqual([1, 2]);
      expect(() => sql.transaction(() => sql.run("INSERT INTO a VALUES (4, 'x'), (1, 'x')"))).toThrow(/UNIQUE/);
      expect(numbers(sql)).toEqual([1, 2]);
    },
  },
  {
    name: "an inner transaction that throws leaves the outer one's writes alone",
    check(sql) {
      withTable(sql);
      sql.transaction(() => {
        sql.run("INSERT INTO a VALUES (1, 'outer')");
        expect(() =>
          sql.transaction(() => {
            sql.run("INSERT INTO a VALUES (2, 'inner')");
            throw new Error("inner");
          }),
        ).toThrow("inner");
        sql.transaction(() => sql.run("INSERT INTO a VALUES (3, 'inner')"));
      });
      expect(numbers(sql)).toEqual([1, 3]);
    },
  },
  {
    name: "work that returns a promise is an error, and is rolled back",
    check(sql) {
      withTable(sql);
      const work = async () => sql.run("INSERT INTO a VALUES (1, 'x')");
      expect(() => sql.transaction(work)).toThrow(/synchronous/);
      expect(numbers(sql)).toEqual([]);
    },
  },
  {
    name: "DDL is part of a transaction",
    check(sql) {
      expect(() =>
        sql.transaction(() => {
          withTable(sql);
          throw new Error("on purpose");
        }),
      ).toThrow("on purpose");
      expect(() => sql.all("SELECT * FROM a")).toThrow(/no such table/);
    },
  },
  {
    name: "a megabyte of quotes binds, and 100 parameters",
    check(sql) {
      const quotes = '"'.repeat(1024 * 1024);
      withTable(sql).run("INSERT INTO a VALUES (1, ?)", quotes);
      expect(sql.all<{ t: string }>("SELECT t FROM a")[0]?.t).toBe(quotes);
      const values = Array.from({ length: 100 }, (_, i) => i);
      const sum = values.map(() => "?").join(" + ");
      expect(sql.all(`SELECT ${sum} AS total`, ...values)).toEqual([{ total: 4950 }]);
    },
  },
  {
    name: "migrations run once each, in order, and the state of the schema is told",
    check(sql) {
      expect(schemaState(sql, [FIRST])).toBe("none");
      migrate(sql, [FIRST]);
      migrate(sql, [FIRST]);
      expect(schemaState(sql, [FIRST])).toBe("current");
      expect(schemaState(sql, [FIRST, SECOND])).toBe("behind");
      migrate(sql, [FIRST, SECOND]);
      migrate(sql, [FIRST, SECOND]);
      expect(sql.all("SELECT * FROM a")).toEqual([{ n: 1, t: "x", u: "y" }]);
    },
  },
  {
    name: "a migration that fails names itself, writes nothing, and can be mended",
    check(sql) {
      migrate(sql, [FIRST]);
      expect(() => migrate(sql, [FIRST, BROKEN])).toThrow(/2-broken.*nowhere/);
      expect(schemaState(sql, [FIRST, BROKEN])).toBe("behind");
      migrate(sql, [FIRST, SECOND]);
      expect(numbers(sql)).toEqual([1]);
    },
  },
  {
    name: "older code works on newer tables, another list is refused",
    check(sql) {
      migrate(sql, [FIRST, SECOND]);
      expect(schemaState(sql, [FIRST])).toBe("current");
      migrate(sql, [FIRST]);
      expect(() => schemaState(sql, [FIRST, BROKEN])).toThrow(/2-second.*2-broken/);
      expect(() => migrate(sql, [SECOND, FIRST])).toThrow(/1-first/);
    },
  },
  {
    name: "a migration inside a transaction that throws is undone with it",
    check(sql) {
      expect(() =>
        sql.transaction(() => {
          migrate(sql, [FIRST]);
          throw new Error("on purpose");
        }),
      ).toThrow("on purpose");
      expect(schemaState(sql, [FIRST])).toBe("none");
      migrate(sql, [FIRST]);
      expect(numbers(sql)).toEqual([]);
    },
  },
];
