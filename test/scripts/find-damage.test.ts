/** What a kill leaves of a database is no damage: SQLite undoes it when somebody opens it to write. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { findDamage, persistencePath } from "../../scripts/commands/serve/inspect-state.ts";

const state = mkdtempSync(join(tmpdir(), "sluice-cut-off-"));
afterAll(() => rmSync(state, { recursive: true, force: true }));

/** Dies in a transaction that has already written to the file. */
const CUT_OFF = `
const database = new (require("node:sqlite").DatabaseSync)(process.argv[1]);
database.exec("PRAGMA cache_size = 1; CREATE TABLE t (x); INSERT INTO t VALUES (zeroblob(100000)); BEGIN; UPDATE t SET x = zeroblob(200000)");
process.kill(process.pid, "SIGKILL");
setInterval(() => {}, 1000);
`;

it("196 198 a database whose writer was killed in a transaction is not damaged", () => {
  const folder = join(persistencePath(state), "do/sluice-Directory");
  mkdirSync(folder, { recursive: true });
  const path = join(folder, "object.sqlite");
  expect(spawnSync(process.execPath, ["-e", CUT_OFF, path]).signal).toBe("SIGKILL");
  expect(existsSync(`${path}-journal`)).toBe(true);
  expect(findDamage(state, "quick")).toBeNull();
  expect(findDamage(state, "whole")).toBeNull();
});
