/**
 * Takes the state folder for this process alone: two runtimes on the same files would each believe that they hold the
 * truth. The lock is SQLite's own on an empty database, which the system lets go when the process dies, however it
 * dies: so no stale lock exists, and none has to be guessed from a process id. The card beside it only names the holder.
 */
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { CannotStart, codeOf } from "./cannot-start.ts";
import { findDamage } from "./inspect-state.ts";

const SQLITE_BUSY = 5;

export interface StateClaim {
  /** Writes on the card which port the service got, and which process its runtime is. */
  tell(news: { readonly port?: number; readonly runtime?: number }): void;
  release(): void;
}

/** The folder is well, and somebody else's. */
export class StateInUse extends CannotStart {}

export interface Card {
  readonly pid: number;
  readonly port: number;
  /** RFC 3339. */
  readonly since: string;
}

const cardOf = (state: string) => join(state, "service.json");

/** @throws CannotStart where the folder cannot be used, is damaged, or another service uses it. */
export function claimState(state: string): StateClaim {
  makeFolder(state);
  const card = cardOf(state);
  const lock = takeLock(state);
  const damage = findDamage(state, "quick");
  if (damage !== null) {
    lock.close();
    throw new CannotStart(damage);
  }
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
    makeFolders(state);
    const probe = join(state, `.writable-${process.pid}`);
    writeFileSync(probe, "");
    rmSync(probe);
  } catch (error) {
    throw new CannotStart(folderFault(state, codeOf(error)));
  }
}

/** Not mkdirSync's `recursive`: that never comes back where a folder that exists refuses a new one by ENOENT (/proc). */
function makeFolders(folder: string): void {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return;
  const parent = dirname(folder);
  if (parent !== folder) makeFolders(parent);
  try {
    mkdirSync(folder);
  } catch (error) {
    // Somebody else who starts at the same moment may have made it.
    if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) throw error;
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

function takeLock(state: string): DatabaseSync {
  const path = join(state, "service.lock");
  let lock: DatabaseSync | undefined;
  try {
    lock = new DatabaseSync(path);
    lock.exec("BEGIN EXCLUSIVE");
    return lock;
  } catch (error) {
    lock?.close();
    if (error instanceof Error && Reflect.get(error, "errcode") === SQLITE_BUSY)
      throw new StateInUse(
        `${holderOf(state)} the state folder ${state}: stop it, or set STATE_DIR to another folder.`,
      );
    const damaged = statSync(path, { throwIfNoEntry: false })?.isFile()
      ? "is not a lock of Sluice's"
      : "cannot be made";
    throw new CannotStart(`The lock ${path} ${damaged}: remove it, or set STATE_DIR to another folder.`);
  }
}

function holderOf(state: string): string {
  const card = readCard(state);
  // One that has the lock and has not written its card yet is another Sluice all the same.
  return card === null
    ? "Another Sluice uses"
    : `Another Sluice (process ${card.pid}, port ${card.port}, since ${card.since}) uses`;
}

/** Who says to have the folder; only a lock that is held makes it true. null: nobody, or not yet. */
export function readCard(state: string): Card | null {
  try {
    const card: unknown = JSON.parse(readFileSync(cardOf(state), "utf8"));
    const isWhole = typeof card === "object" && card !== null && "pid" in card && "port" in card && "since" in card;
    return isWhole ? { pid: Number(card.pid), port: Number(card.port), since: String(card.since) } : null;
  } catch {
    return null;
  }
}
