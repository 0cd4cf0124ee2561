/** The cron trigger, each minute: the watchdog of what alarms do on time. The local server drains by it too. */

import { countOf } from "../core/count-of.ts";
import type { Log } from "../core/log.ts";
import type { Ports } from "../core/ports.ts";
import type { DrainAnswer } from "../core/schema/answer.ts";
import { callWithin, directoryOf, fanOut, rootDirectory } from "../durable-objects/stubs.ts";
import type { Quota } from "../history/quota.ts";
import { walkRetention } from "../history/walk-retention.ts";

/** What the local server sends before it stops (design, 5.8). */
export const DRAIN_CRON = "sluice:drain";

/** A trigger has 15 minutes of wall time and comes again in one. */
const PATIENCE_MS = 55_000;

/** How long the lists of tenants and queues are waited for. */
const LIST_MS = 10_000;

/** How often a drain asks who is still running, and what sessions have, after their tasks' time, to hand them back. */
const ASK_EACH_MS = 50;
const HAND_BACK_MS = 1_000;

/**
 * Passes the tick to every tenant, or the drain, which ends when the last session has; the answer is for the log alone.
 * @param drainMs how long running tasks have when the local service stops
 */
export async function runScheduled(cron: string, ports: Ports, log: Log, drainMs: number): Promise<void> {
  const startedAt = ports.now();
  const root = rootDirectory(ports);
  const answer =
    cron === DRAIN_CRON
      ? await drainSessions(ports, startedAt + drainMs + HAND_BACK_MS)
      : await callWithin(ports, PATIENCE_MS, () => root.tick({ v: 1 }));
  const ms = ports.now() - startedAt;
  if (answer.ok) log("info", "scheduled", { cron, ms });
  else log("error", "scheduled", { cron, ms, code: answer.code, detail: answer.detail });
  if (cron !== DRAIN_CRON) await retain(ports, log);
}

/** Asks until no session is left or `until` (Unix ms) has come; one shard that is silent does not end it for the others. */
async function drainSessions(ports: Ports, until: number): Promise<DrainAnswer> {
  for (;;) {
    const answer = await callWithin(ports, PATIENCE_MS, () => rootDirectory(ports).drain({ v: 1 }));
    if (answer.ok && answer.sessions === 0) return answer;
    if (ports.now() >= until) return answer.ok ? refuse(`${countOf(answer.sessions, "session")} did not end`) : answer;
    await new Promise<void>((resolve) => ports.later(ASK_EACH_MS, resolve));
  }
}

const refuse = (detail: string): DrainAnswer => ({ v: 1, ok: false, code: "unavailable", detail });

/** What history forgets, database by database; one that is away keeps none of the others. */
async function retain(ports: Ports, log: Log): Promise<void> {
  for (let number = 0; ; number++) {
    const database = ports.history(number);
    if (!database) return;
    const walked = await walkRetention(database, ports, () => quotasOf(ports, number));
    if (walked?.ok === false) log("warn", "retention", { database: number, reason: walked.reason });
    else if (walked && walked.deleted + walked.blanked > 0)
      log("info", "retention", { database: number, deleted: walked.deleted, blanked: walked.blanked });
  }
}

/** Of queues that keep their record there; where a Directory is silent, this time of none. */
async function quotasOf(ports: Ports, number: number): Promise<readonly Quota[]> {
  const answer = await callWithin(ports, LIST_MS, () => rootDirectory(ports).listTenants({ v: 1 }));
  const quotas = await fanOut(answer.ok ? answer.tenants : [], async (tenant) => {
    const listed = await callWithin(ports, LIST_MS, () => directoryOf(ports, tenant).listQueues({ v: 1 }));
    return (listed.ok ? listed.entries : []).flatMap(({ queue, settings }) => {
      const { history, historyMaxBytes: maxBytes } = settings;
      return history === number && maxBytes !== null ? [{ tenant, queue, maxBytes }] : [];
    });
  });
  return quotas.flat();
}
