import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { durableSql } from "../../durable-objects/sql/durable.ts";
import { SQL_CASES } from "../contract/sql.ts";

describe("Sql on a Durable Object's storage", () => {
  for (const [index, { name, check }] of SQL_CASES.entries())
    it(name, async () => {
      const stub = env.DIRECTORY.getByName(`sql-case-${index}`);
      await runInDurableObject(stub, (_instance, ctx) => check(durableSql(ctx.storage)));
    });

  it("rows written count index entries as they are billed", async () => {
    const stub = env.DIRECTORY.getByName("sql-rows-written");
    await runInDurableObject(stub, (_instance, ctx) => {
      const sql = durableSql(ctx.storage);
      sql.run("CREATE TABLE b (n INTEGER PRIMARY KEY, t TEXT)");
      sql.run("CREATE INDEX b_t ON b (t)");
      expect(sql.run("INSERT INTO b VALUES (1, 'x')")).toBe(2);
      expect(sql.run("UPDATE b SET t = NULL WHERE n = 1")).toBe(2);
      expect(sql.run("DELETE FROM b WHERE n = 1")).toBe(1);
    });
  });
});
