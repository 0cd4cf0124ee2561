/** The Worker's script is kept from one start to the next, and made again as soon as any file of it is another. */
import { mkdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, expect, it } from "vitest";
import { bundle } from "../../scripts/commands/serve/bundle.ts";

// Always the same, because one is kept for each entry.
const folder = resolve(import.meta.dirname, "../../.build/bundle-test");
mkdirSync(folder, { recursive: true });
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const entry = join(folder, "entry.ts");
const part = join(folder, "part.ts");
/** Long ago: what is written while it is bundled is not kept. */
function write(path: string, text: string): void {
  writeFileSync(path, text);
  utimesSync(path, 1, 1);
}

it("196 a start runs what the files are now, whichever of them was changed, and by whatever clock", async () => {
  write(entry, 'export { said } from "./part.ts";');
  write(part, 'export const said = "first";');
  const first = await bundle(entry);
  expect(first).toContain('"first"');
  expect(await bundle(entry)).toBe(first);
  write(part, 'export const said = "other";');
  expect(await bundle(entry)).toContain('"other"');
  write(entry, 'export const said = "alone";');
  expect(await bundle(entry)).toContain('"alone"');
  write(entry, "export const said = ;");
  await expect(bundle(entry)).rejects.toThrow(/^The Worker does not build: .*entry\.ts:1/);
  rmSync(entry);
  await expect(bundle(entry)).rejects.toThrow("The Worker does not build");
});
