/**
 * Finds what of a state folder this user or SQLite cannot read, because workerd names neither the file nor the remedy.
 * Looked at is what a start needs: the runtime's own lists of objects and alarms, D1, and the Directory. A shard that is
 * damaged is no reason not to start: it answers 503, and all the others serve. Nothing is written.
 */
import { accessSync, constants, existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { codeOf, oneLine } from "./cannot-start.ts";

const SQLITE_BUSY = 5;
/** Of a database that is opened to read only: a transaction was cut off, which only whoever writes may undo. */
const SQLITE_READONLY = 8;
const REMEDY = "restore the state folder from a copy, or choose another with STATE_DIR";

/** Where Miniflare keeps objects and databases: `wrangler --persist-to STATE_DIR` appends the v3. */
export function persistencePath(state: string): string {
  return join(state, "v3");
}

/**
 * The first fault, in a sentence that names the file and the remedy; null: none.
 * @param depth quick: can each file be opened as a database at all, a millisecond each. whole: are its pages what they
 * must be; reads all of them, so only once something has failed
 */
export function findDamage(state: string, depth: "quick" | "whole"): string | null {
  const persistence = persistencePath(state);
  if (!existsSync(persistence)) return null;
  try {
    mayUse(persistence);
    for (const kind of foldersOf(persistence))
      for (const name of foldersOf(join(persistence, kind)))
        for (const file of readdirSync(join(persistence, kind, name))) {
          const path = join(persistence, kind, name, file);
          if (file.includes(".sqlite")) mayUse(path);
          if (!isNeeded(kind, name, file)) continue;
          const damage = damageOf(path, depth);
          if (damage !== null) return `${path} is damaged (${oneLine(damage)}): ${REMEDY}.`;
        }
    return null;
  } catch (error) {
    if (!(error instanceof Unusable)) throw error;
    return `This user may not use ${error.path} of the state folder (${error.code}): change its owner, or choose another folder with STATE_DIR.`;
  }
}

/** A file of the state folder, or a folder in it, that this user may not read and write. */
class Unusable extends Error {
  readonly path: string;
  readonly code: string;
  constructor(path: string, code: string) {
    super(`${path}: ${code}`);
    this.path = path;
    this.code = code;
  }
}

function isNeeded(kind: string, name: string, file: string): boolean {
  if (!file.endsWith(".sqlite")) return false;
  return file === "metadata.sqlite" || kind === "d1" || name.endsWith("-Directory");
}

function foldersOf(folder: string): string[] {
  mayUse(folder);
  const folders = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  for (const { name } of folders) mayUse(join(folder, name));
  return folders.map(({ name }) => name);
}

/** @throws Unusable */
function mayUse(path: string): void {
  const { R_OK, W_OK, X_OK } = constants;
  try {
    accessSync(path, statSync(path).isDirectory() ? R_OK | W_OK | X_OK : R_OK | W_OK);
  } catch (error) {
    throw new Unusable(path, codeOf(error));
  }
}

/** What SQLite says of it; null: nothing bad, or it is in use, or was when the power went. */
function damageOf(path: string, depth: "quick" | "whole"): string | null {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { readOnly: true });
    const [checked] = database.prepare(depth === "whole" ? "PRAGMA quick_check(1)" : "PRAGMA schema_version").all();
    const said = checked?.quick_check ?? "ok";
    return said === "ok" ? null : String(said);
  } catch (error) {
    // Its lowest byte is the kind.
    const kind = Number(Reflect.get(Object(error), "errcode")) & 0xff;
    if (kind === SQLITE_BUSY || kind === SQLITE_READONLY) return null;
    return error instanceof Error ? error.message : String(error);
  } finally {
    database?.close();
  }
}
