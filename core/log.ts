/** One JSON line an event, on standard output, where Cloudflare's logs and the local server pick it up. */

import type { Ports } from "../core/ports.ts";
import { LOG_LEVELS, type LogLevel } from "../core/schema/env.ts";
import { iso } from "../core/task.ts";

export type Severity = Exclude<LogLevel, "silent">;
export type Log = (level: Severity, event: string, fields: Readonly<Record<string, unknown>>) => void;

/** A log that keeps quiet below `least`. Times are RFC 3339; absent fields (undefined) are left out. */
export function createLog(ports: Pick<Ports, "now">, least: LogLevel): Log {
  const rank = LOG_LEVELS.indexOf(least);
  return (level, event, fields) => {
    if (LOG_LEVELS.indexOf(level) < rank) return;
    console.log(JSON.stringify({ at: iso(ports.now()), level, event, ...fields }));
  };
}

/** What was thrown, for the inside: message and stack of an error, anything else as text. */
export function describeThrown(thrown: unknown): string {
  return thrown instanceof Error ? (thrown.stack ?? `${thrown.name}: ${thrown.message}`) : String(thrown);
}
