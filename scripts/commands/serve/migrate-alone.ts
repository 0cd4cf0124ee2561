/**
 * Migrates the databases of a state folder that nothing serves, so that whatever serves it then starts with the tables
 * there. Where all is noted as applied already, which SQLite tells in a millisecond, no runtime is started for it.
 */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import { CannotStart } from "./cannot-start.ts";
import { persistencePath } from "./inspect-state.ts";
import { migrate, migrator } from "./migrate.ts";
import { PlainLog } from "./plain-log.ts";
import type { DatabaseOptions, WorkerOptions } from "./read-worker-options.ts";
import { type Deaths, RuntimeKilled } from "./watch-deaths.ts";

/**
 * @param complain gets what workerd itself has to say, a message a call
 * @throws RuntimeKilled where a kill cut it off
 */
export async function migrateAlone(
  state: string,
  { worker, databases }: WorkerOptions,
  complain: (message: string) => void,
  deaths: Deaths,
): Promise<void> {
  if (isMigrated(state, databases)) return;
  const before = deaths.count();
  const runtime = new Miniflare(
    convertV4MiniflareOptions({
      workers: [migrator(worker)],
      resourcePersistencePath: persistencePath(state),
      cf: false,
      telemetry: { enabled: false },
      log: new PlainLog(complain),
      handleStructuredLogs: ({ message }) => complain(message),
    }),
  );
  try {
    await migrate(runtime, databases);
  } catch (error) {
    const death = error instanceof CannotStart ? null : await deaths.killedSince(before);
    throw death === null ? error : new RuntimeKilled(death);
  } finally {
    await runtime.dispose().catch(() => {});
  }
}

/** Whether as many databases as there are have each migration. One of another name may be mistaken for ours: the start asks D1 again. */
function isMigrated(state: string, databases: readonly DatabaseOptions[]): boolean {
  const folder = join(persistencePath(state), "d1/miniflare-D1DatabaseObject");
  if (!existsSync(folder)) return databases.length === 0;
  const files = readdirSync(folder).filter((file) => file.endsWith(".sqlite") && file !== "metadata.sqlite");
  return databases.every(({ table, migrations }) => {
    const names = migrations.map(({ name }) => name);
    const those = files.filter((file) => hasAll(join(folder, file), table, names));
    return those.length >= databases.length;
  });
}

function hasAll(file: string, table: string, names: readonly string[]): boolean {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(file, { readOnly: true });
    const rows = database.prepare(`SELECT name FROM "${table.replaceAll('"', '""')}"`).all();
    const applied = new Set(rows.map(({ name }) => name));
    return names.every((name) => applied.has(name));
  } catch {
    // It has no such table, or is not to be read: what migrates it says why.
    return false;
  } finally {
    database?.close();
  }
}
