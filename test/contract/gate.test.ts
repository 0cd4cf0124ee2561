/** The output gate: the contract of `Sql` holds behind it, and nothing is told that a crash takes back. */
import { describe, expect, it } from "vitest";
import { openNodeSql } from "../../durable-objects/sql/node.ts";
import { gateSql } from "../../durable-objects/sql/node-gate.ts";
import { SQL_CASES } from "./sql.ts";

describe("Sql behind an output gate on node:sqlite", () => {
  for (const { name, check } of SQL_CASES) it(name, () => check(gateSql(openNodeSql())));
});

describe("an output gate", () => {
  function open() {
    const gate = gateSql(openNodeSql());
    gate.run("CREATE TABLE a (n INTEGER PRIMARY KEY)");
    gate.commit();
    const told: string[] = [];
    return { gate, told, tell: (what: string) => gate.release(() => told.push(what)) };
  }
  const numbers = (gate: ReturnType<typeof gateSql>) => gate.all<{ n: number }>("SELECT n FROM a").map(({ n }) => n);

  it("lets out at once where nothing was written, else in order at the commit", () => {
    const { gate, told, tell } = open();
    tell("read");
    expect(told).toEqual(["read"]);
    gate.transaction(() => gate.run("INSERT INTO a VALUES (1)"));
    tell("first");
    tell("second");
    expect([gate.isOpen, told]).toEqual([true, ["read"]]);
    gate.commit();
    expect([gate.isOpen, told, numbers(gate)]).toEqual([false, ["read", "first", "second"], [1]]);
  });

  it("a crash before the commit takes back several turns' writes and the alarm, and nobody hears of them", () => {
    const { gate, told, tell } = open();
    gate.alarm = 5;
    gate.commit();
    gate.run("INSERT INTO a VALUES (1)");
    tell("one");
    gate.alarm = 9;
    gate.run("INSERT INTO a VALUES (2)");
    tell("two");
    gate.crash(false);
    expect([numbers(gate), gate.alarm, told]).toEqual([[], 5, []]);
    gate.run("INSERT INTO a VALUES (3)");
    gate.commit();
    expect([numbers(gate), told]).toEqual([[3], []]);
  });

  it("a crash just after it keeps them, and nobody hears of them either", () => {
    const { gate, told, tell } = open();
    gate.run("INSERT INTO a VALUES (1)");
    gate.alarm = 9;
    tell("one");
    gate.crash(true);
    expect([numbers(gate), gate.alarm, told]).toEqual([[1], 9, []]);
  });
});
