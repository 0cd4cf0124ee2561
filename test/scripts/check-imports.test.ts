/** The import law is only worth what its checker sees. */
import { describe, expect, it } from "vitest";
import { judgeFile } from "../../scripts/commands/check/check-imports.ts";

const judge = (path: string, text: string) => judgeFile(path, text, () => true);

describe("the import law", () => {
  it.each([
    ["core/a.ts", 'import { z } from "zod";\nimport type { B } from "./b.ts";'],
    ["src/routes/a.ts", 'import { rootDirectory } from "../../durable-objects/stubs.ts";'],
    ["src/index.ts", 'export { Directory } from "../durable-objects/directory.ts";'],
    ["ports.ts", "export const now = () => Date.now();"],
    ["history/a.ts", "export const at = (ms: number) => new Date(ms); // not Date.now()"],
    ["history/a.ts", 'export const text = "Math.random()";'],
    ["test/core/a.test.ts", 'import { app } from "../../src/app.ts";'],
  ])("allows %s: %s", (path, text) => {
    expect(judge(path, text)).toEqual([]);
  });

  it.each([
    ["core/a.ts", 'import { x } from "../history/x.ts";', 'core/a.ts:1: imports "history/x.ts"'],
    ["core/a.ts", 'import fs from "node:fs";', 'imports "node:fs", but core imports'],
    ["core/a.ts", '// one\nexport type T = import("../src/app.ts").T;', 'core/a.ts:2: imports "src/app.ts"'],
    [
      "src/routes/a.ts",
      'export * from "../../durable-objects/directory.ts";',
      'imports "durable-objects/directory.ts"',
    ],
    ["consumers/a.ts", 'const x = await import("../src/app.ts");', 'imports "src/app.ts"'],
    ["durable-objects/a.ts", 'import { n } from "./sql/node.ts";', 'imports "durable-objects/sql/node.ts"'],
    ["scripts/a.ts", 'import { app } from "../src/app.ts";', "nothing imports src but"],
    ["history/a.ts", "\nconst t = Date.now();", "history/a.ts:2: calls Date.now, but the clock"],
    ["history/a.ts", "const t = new Date();", "calls new Date"],
    ["src/a.ts", "const t = globalThis.crypto.randomUUID();", "calls crypto.randomUUID"],
    ["core/a.ts", "setTimeout(() => {}, 1);", "timers are Ports.later()"],
    ["elsewhere/a.ts", "", "in no folder that the import law knows"],
  ])("refuses in %s: %s", (path, text, fault) => {
    const faults = judge(path, text);
    expect(faults).toHaveLength(1);
    expect(faults[0]).toContain(fault);
  });

  it("sees a specifier without its ending", () => {
    expect(judgeFile("core/a.ts", 'import "./b";', () => false)).toEqual([
      "core/a.ts:1: imports core/b, which is not there (specifiers end in .ts)",
    ]);
  });
});
