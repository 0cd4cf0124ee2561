/** Keeps in .build/ what takes long to make. Whoever keeps something says by which hash it may be used again. */
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/** Renamed into place, so that no other start reads half of it. */
export function keep(path: string, made: unknown): void {
  try {
    mkdirSync(dirname(path), { recursive: true });
    const half = `${path}.${process.pid}`;
    writeFileSync(half, JSON.stringify(made));
    renameSync(half, path);
  } catch {
    // A read-only checkout starts a little slower each time.
  }
}
