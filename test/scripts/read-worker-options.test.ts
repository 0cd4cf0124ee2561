/** A wrangler.toml that cannot be used ends a start with one sentence, in the doctor's words. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, expect, it } from "vitest";
import { CannotStart } from "../../scripts/commands/serve/cannot-start.ts";
import { readWorkerOptions } from "../../scripts/commands/serve/read-worker-options.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const shipped = readFileSync(join(ROOT, "wrangler.toml"), "utf8");
const scratch = mkdtempSync(join(tmpdir(), "sluice-config-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
cpSync(join(ROOT, "migrations"), join(scratch, "migrations"), { recursive: true });

const withoutBinding = (name: string) => (text: string) => text.replace(`binding = "${name}"\n`, "");

it.each<[string, (text: string) => string, RegExp]>([
  ["no TOML", (text) => `garbage = [\n${text}`, /wrangler\.toml cannot be used: Invalid TOML.* \(line \d+\)\. Mend it/],
  [
    "producers without a binding",
    (text) => withoutBinding("TICKETS_1")(withoutBinding("TICKETS_2")(text)),
    /wrangler\.toml cannot be used: "queues\.producers\[1\]" .*"sluice-tickets-1"\}; "queues\.producers\[2\]" .*"sluice-tickets-2"\}\. Mend it/,
  ],
  ["no entry", (text) => text.replace(/^main = .*$/m, ""), /wrangler\.toml cannot be used: main is missing/],
  [
    "migrations that are nowhere",
    (text) => text.replace('"migrations"', '"elsewhere"'),
    /wrangler\.toml cannot be used: ENOENT.*elsewhere/,
  ],
])("196 a wrangler.toml with %s is said in one sentence", async (_what, spoil, sentence) => {
  const path = join(scratch, "wrangler.toml");
  writeFileSync(path, spoil(shipped));
  const fault: unknown = await readWorkerOptions(path, {}).catch((error: unknown) => error);
  expect(fault).toBeInstanceOf(CannotStart);
  expect(String(fault)).toMatch(sentence);
  expect(String(fault)).not.toContain("\n");
});

it("194 where CPU_MS is not what [limits] says, the start has that to tell", async () => {
  const path = join(scratch, "wrangler.toml");
  writeFileSync(path, shipped);
  expect((await readWorkerOptions(path, {})).cpuFault).toBe(null);
  writeFileSync(path, shipped.replace(/^cpu_ms = \d+/m, "cpu_ms = 60000"));
  expect((await readWorkerOptions(path, {})).cpuFault).toMatch(/^is 30000 under \[vars\], .* is 60000\. Set both/);
});
