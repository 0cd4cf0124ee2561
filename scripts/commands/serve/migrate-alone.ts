/** Migrates the databases of a state folder that nothing serves: wrangler dev starts with the tables there. */
import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import { persistencePath } from "./inspect-state.ts";
import { migrate, migrator } from "./migrate.ts";
import type { WorkerOptions } from "./read-worker-options.ts";

export async function migrateAlone(state: string, { worker, databases }: WorkerOptions): Promise<void> {
  const workers = [migrator(worker)];
  const options = { workers, resourcePersistencePath: persistencePath(state), cf: false };
  const runtime = new Miniflare(convertV4MiniflareOptions(options));
  try {
    await migrate(runtime, databases);
  } finally {
    await runtime.dispose();
  }
}
