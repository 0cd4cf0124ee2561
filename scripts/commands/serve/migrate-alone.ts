/** Migrates the databases of a state folder that nothing serves: wrangler dev starts with the tables there. */
import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import { migrate } from "./migrate.ts";
import type { WorkerOptions } from "./read-worker-options.ts";
import { persistencePath } from "./start-runtime.ts";

export async function migrateAlone(state: string, { worker, databases }: WorkerOptions): Promise<void> {
  const modules = [{ type: "ESModule" as const, path: "index.js", contents: "export default {};" }];
  const d1Databases = worker.d1Databases as Record<string, { id: string }>;
  const resourcePersistencePath = persistencePath(state);
  const runtime = new Miniflare(
    convertV4MiniflareOptions({ modules, d1Databases, resourcePersistencePath, cf: false }),
  );
  try {
    for (const database of databases) await migrate(await runtime.getD1Database(database.binding), database);
  } finally {
    await runtime.dispose();
  }
}
