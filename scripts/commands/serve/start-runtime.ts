/**
 * The Worker on workerd: options from wrangler.toml, so that what runs here is what is deployed. The service listens on
 * workerd's own socket (Miniflare's entry in between would halve the throughput), and state lies where `wrangler
 * --persist-to` looks for it.
 */
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare, MiniflareCoreError } from "miniflare";
import { CannotStart, oneLine } from "./cannot-start.ts";
import { HOST, portFault } from "./check-port.ts";
import { persistencePath } from "./inspect-state.ts";
import { migrator } from "./migrate.ts";
import type { ServeSettings } from "./read-settings.ts";
import type { WorkerOptions } from "./read-worker-options.ts";

export const WORKER = "sluice";

/**
 * Resolves once the socket listens.
 * @param complain gets what workerd itself has to say, a message a call
 * @throws CannotStart where workerd does not come up
 */
export async function startRuntime(
  settings: Pick<ServeSettings, "port" | "state" | "vars">,
  worker: WorkerOptions["worker"],
  script: string,
  complain: (message: string) => void,
): Promise<{ runtime: Miniflare; port: number }> {
  const service = {
    ...worker,
    name: WORKER,
    bindings: { ...(worker.bindings as Record<string, string>), ...settings.vars },
    modules: [{ type: "ESModule" as const, path: "index.js", contents: script }],
    unsafeDirectSockets: [{ host: HOST, port: settings.port }],
  };
  const runtime = new Miniflare(
    convertV4MiniflareOptions({
      workers: [service, migrator(worker)],
      resourcePersistencePath: persistencePath(settings.state),
      // For the cron handler (poke-cron.ts).
      unsafeTriggerHandlers: true,
      // Otherwise it asks the network where in the world this is.
      cf: false,
      telemetry: { enabled: false },
      log: new Log(LogLevel.ERROR),
      // Standard output goes past Miniflare (relay-logs.ts): this is what workerd itself has to say.
      handleStructuredLogs: ({ message }) => complain(message),
    }),
  );
  try {
    await runtime.ready;
    return { runtime, port: Number((await runtime.unsafeGetDirectURL(WORKER)).port) };
  } catch (error) {
    await runtime.dispose().catch(() => {});
    if (error instanceof MiniflareCoreError && error.code === "ERR_ADDRESS_IN_USE")
      throw new CannotStart(portFault(settings.port, "EADDRINUSE"));
    throw new CannotStart(
      `The runtime does not start: ${oneLine(error instanceof Error ? error.message : String(error))}`,
    );
  }
}
