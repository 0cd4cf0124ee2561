/**
 * Takes the state folder for this process alone: two runtimes on the same files would each believe that they hold the
 * truth. The lock is SQLite's own on an empty database, which the system lets go when the process dies, however it
 * dies: so no stale lock exists, and none has to be guessed from a process id. The card beside it only names the holder.
 */
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { CannotStart, codeOf } from "./cannot-start.ts";

const SQLITE_BUSY = 5;

export interface StateClaim {
  /** Writes on the card which port the service got, and which process its runtime is. */
  tell(news: { readonly port?: number; readonly runtime?: number }): void;
  release(): void;
}

/** @throws CannotStart where the folder cannot be used, or another service uses it. */
export function claimState(state: string): StateClaim {
  makeFolder(state);
  const card = join(state, "service.json");
  const lock = takeLock(state, card);
  let told = { pid: process.pid, since: new Date().toISOString() };
  return {
    tell(news) {
      told = { ...told, ...news };
      writeFileSync(card, `${JSON.stringify(told)}\n`);
    },
    release() {
      rmSync(card, { force: true });
      lock.close();
    },
  };
}

function makeFolder(state: string): void {
  try {
    mkdirSync(state, { recursive: true });
    const probe = join(state, `.writable-${process.pid}`);
    writeFileSync(probe, "");
    rmSync(probe);
  } catch (error) {
    throw new CannotStart(folderFault(state, codeOf(error)));
  }
}

export function folderFault(state: string, code: string): string {
  const remedy = "choose another folder with STATE_DIR";
  if (code === "EEXIST" || code === "ENOTDIR")
    return `The state folder ${state} is a file, or lies below one: ${remedy}.`;
  if (code === "EACCES" || code === "EPERM" || code === "EROFS")
    return `This user may not write to the state folder ${state} (${code}): change its owner, or ${remedy}.`;
  if (code === "ENOSPC") return `No space is left for the state folder ${state}: make some, or ${remedy}.`;
  return `The state folder ${state} cannot be used (${code || "unknown error"}): ${remedy}.`;
}

function takeLock(state: string, card: string): DatabaseSync {
  const path = join(state, "service.lock");
  let lock: DatabaseSync | undefined;
  try {
    lock = new DatabaseSync(path);
    lock.exec("BEGIN EXCLUSIVE");
    return lock;
  } catch (error) {
    lock?.close();
    if (error instanceof Error && Reflect.get(error, "errcode") === SQLITE_BUSY)
      throw new CannotStart(
        `${holderOf(card)} the state folder ${state}: stop it, or set STATE_DIR to another folder.`,
      );
    const damaged = statSync(path, { throwIfNoEntry: false })?.isFile()
      ? "is not a lock of Sluice's"
      : "cannot be made";
    throw new CannotStart(`The lock ${path} ${damaged}: remove it, or set STATE_DIR to another folder.`);
  }
}

function holderOf(card: string): string {
  try {
    const holder: unknown = JSON.parse(readFileSync(card, "utf8"));
    if (typeof holder === "object" && holder !== null && "pid" in holder && "port" in holder && "since" in holder)
      return `Another Sluice (process ${holder.pid}, port ${holder.port}, since ${holder.since}) uses`;
  } catch {
    // It has the lock and has not written its card yet.
  }
  return "Another Sluice uses";
}
