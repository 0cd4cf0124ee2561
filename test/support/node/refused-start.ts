/** A start of `npm start`'s script that is to fail, with what it says. */
import { type SpawnSyncOptions, spawnSync } from "node:child_process";
import { join, resolve } from "node:path";
import { expect } from "vitest";

const ROOT = resolve(import.meta.dirname, "../../..");
export const NODE = join(ROOT, "node_modules/.bin/node");

/** @param as another user, where this one may do everything */
export function refusedStart(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  as: Pick<SpawnSyncOptions, "uid" | "gid"> = {},
): string {
  const run = spawnSync(NODE, [join(ROOT, "scripts/serve.cjs"), ...args], {
    encoding: "utf8",
    timeout: 60_000,
    env: { ...process.env, ...env },
    ...as,
  });
  expect({ status: run.status, stdout: run.stdout }).toEqual({ status: 1, stdout: "" });
  return run.stderr;
}
