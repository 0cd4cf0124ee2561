/** Holds every TypeScript file of the project against the import law; tells file, line and the rule that is broken. */
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { AREAS, HIDDEN_CLOCK } from "./import-law.ts";
import { readModule } from "./read-module.ts";

/** Sentences like `src/app.ts:12: imports "…", but …`; empty where all is well. */
export function checkImports(root: string): string[] {
  const faults: string[] = [];
  for (const file of globSync("**/*.ts", { cwd: root, exclude: isForeign })) {
    const path = file.replaceAll("\\", "/");
    faults.push(...judgeFile(path, readFileSync(join(root, path), "utf8"), (target) => existsSync(join(root, target))));
  }
  return faults;
}

const isForeign = (path: string) => /(^|\/)(node_modules|dist|\.[a-z]+)(\/|$)/.test(path);

/** @param exists whether a project file is there */
export function judgeFile(path: string, text: string, exists: (target: string) => boolean): string[] {
  const area = AREAS.find(({ files }) => files.test(path));
  if (area === undefined)
    return [`${path}:1: is in no folder that the import law knows (scripts/commands/check/import-law.ts)`];
  const faults: string[] = [];
  const { imports, calls } = readModule(text);
  for (const { name, line } of imports) {
    const isOwn = name.startsWith(".");
    const target = isOwn ? posix.join(dirname(path), name) : name;
    if (isOwn && !exists(target))
      faults.push(`${path}:${line}: imports ${target}, which is not there (specifiers end in .ts)`);
    if (!area.may.some((allowed) => allowed.test(target)))
      faults.push(`${path}:${line}: imports "${target}", but ${area.rule}`);
  }
  if (area.hasClock !== true)
    for (const { name, line } of calls) {
      const rule = HIDDEN_CLOCK.get(name);
      if (rule !== undefined) faults.push(`${path}:${line}: calls ${name}, but ${rule}`);
    }
  return faults;
}
