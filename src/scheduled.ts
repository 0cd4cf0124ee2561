/** The cron trigger, each minute: the watchdog of what alarms do on time. The local server drains by it too. */
import type { Ports } from "../core/ports.ts";
import { callWithin, rootDirectory } from "../durable-objects/stubs.ts";
import { walkRetention } from "../history/walk-retention.ts";
import type { Log } from "./log.ts";

/** What the local server sends before it stops (design, 5.8). */
export const DRAIN_CRON = "sluice:drain";

/** A trigger has 15 minutes of wall time and comes again in one. */
const PATIENCE_MS = 55_000;

/** Passes the tick, or the drain, to every tenant; the answer is for the log alone. */
export async function runScheduled(cron: string, ports: Ports, log: Log): Promise<void> {
  const startedAt = ports.now();
  const root = rootDirectory(ports);
  const answer = await callWithin(ports, PATIENCE_MS, () =>
    cron === DRAIN_CRON ? root.drain({ v: 1 }) : root.tick({ v: 1 }),
  );
  const ms = ports.now() - startedAt;
  if (answer.ok) log("info", "scheduled", { cron, ms });
  else log("error", "scheduled", { cron, ms, code: answer.code, detail: answer.detail });
  if (cron !== DRAIN_CRON) await retain(ports, log);
}

/** What history forgets, database by database; one that is away keeps none of the others. */
async function retain(ports: Ports, log: Log): Promise<void> {
  for (let number = 0; ; number++) {
    const database = ports.history(number);
    if (!database) return;
    const walked = await walkRetention(database, ports);
    if (walked?.ok === false) log("warn", "retention", { database: number, reason: walked.reason });
    else if (walked && walked.deleted + walked.blanked > 0)
      log("info", "retention", { database: number, deleted: walked.deleted, blanked: walked.blanked });
  }
}
