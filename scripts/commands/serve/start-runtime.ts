/**
 * The Worker on workerd: options from wrangler.toml, so that what runs here is what is deployed. The service listens on
 * workerd's own socket (Miniflare's entry in between would halve the throughput), and state lies where `wrangler
 * --persist-to` looks for it.
 */
import { convertV4MiniflareOptions, Miniflare, MiniflareCoreError } from "miniflare";
import { CannotStart, oneLine } from "./cannot-start.ts";
import { HOST, portFault } from "./check-port.ts";
import { persistencePath } from "./inspect-state.ts";
import { migrator } from "./migrate.ts";
import { PlainLog } from "./plain-log.ts";
import type { ServeSettings } from "./read-settings.ts";
import type { WorkerOptions } from "./read-worker-options.ts";
import { type Deaths, RuntimeKilled } from "./watch-deaths.ts";

export const WORKER = "sluice";

export interface StartedRuntime {
  readonly runtime: Miniflare;
  readonly port: number;
  /** Starts it once more on the same port, where Miniflare's own try after a death failed. @throws CannotStart */
  again(): Promise<void>;
}

/**
 * Resolves once the socket listens.
 * @param complain gets what workerd itself has to say, a message a call
 * @throws CannotStart where workerd does not come up; RuntimeKilled where it was killed meanwhile
 */
export async function startRuntime(
  settings: Pick<ServeSettings, "port" | "state" | "vars">,
  worker: WorkerOptions["worker"],
  script: string,
  complain: (message: string) => void,
  deaths: Deaths,
): Promise<StartedRuntime> {
  const service = {
    ...worker,
    name: WORKER,
    bindings: { ...(worker.bindings as Record<string, string>), ...settings.vars },
    modules: [{ type: "ESModule" as const, path: "index.js", contents: script }],
  };
  const optionsAt = (port: number) =>
    convertV4MiniflareOptions({
      workers: [{ ...service, unsafeDirectSockets: [{ host: HOST, port }] }, migrator(worker)],
      resourcePersistencePath: persistencePath(settings.state),
      // For the cron handler (poke-cron.ts).
      unsafeTriggerHandlers: true,
      // Otherwise it asks the network where in the world this is.
      cf: false,
      telemetry: { enabled: false },
      log: new PlainLog(complain),
      // Standard output goes past Miniflare (relay-logs.ts): this is what workerd itself has to say.
      handleStructuredLogs: ({ message }) => complain(message),
    });
  const before = deaths.count();
  const runtime = new Miniflare(optionsAt(settings.port));
  try {
    await runtime.ready;
    const port = Number((await runtime.unsafeGetDirectURL(WORKER)).port);
    const again = async () => {
      const earlier = deaths.count();
      try {
        await runtime.setOptions(optionsAt(port));
      } catch (error) {
        throw await whyNot(error, port, deaths, earlier);
      }
    };
    return { runtime, port, again };
  } catch (error) {
    // Before it is ended on purpose.
    const fault = await whyNot(error, settings.port, deaths, before);
    await runtime.dispose().catch(() => {});
    throw fault;
  }
}

/** @param before deaths that there were when it was begun */
async function whyNot(error: unknown, port: number, deaths: Deaths, before: number): Promise<CannotStart> {
  if (error instanceof MiniflareCoreError && error.code === "ERR_ADDRESS_IN_USE")
    return new CannotStart(portFault(port, "EADDRINUSE"));
  const death = await deaths.killedSince(before);
  if (death !== null) return new RuntimeKilled(death);
  if (error instanceof MiniflareCoreError && error.code === "ERR_RUNTIME_FAILURE")
    return new CannotStart("The runtime ended before it listened (npm run doctor looks for what is in its way).");
  const why = oneLine(error instanceof Error ? error.message : String(error));
  return new CannotStart(`The runtime does not start: ${why.replace(/\.?$/, ".")}`);
}
