import { describe, expect, it } from "vitest";
import { nodeSql, openNodeSql } from "../../durable-objects/sql/node.ts";
import { SQL_CASES } from "./sql.ts";

describe("Sql on node:sqlite", () => {
  for (const { name, check } of SQL_CASES) it(name, () => check(openNodeSql()));

  it("an adapter made anew over the same database sees what was committed", () => {
    const first = openNodeSql();
    first.run("CREATE TABLE a (n INTEGER PRIMARY KEY)");
    first.transaction(() => first.run("INSERT INTO a VALUES (1)"));
    expect(nodeSql(first.database).all("SELECT n FROM a")).toEqual([{ n: 1 }]);
  });
});
