/** One JSON line an event: `at`, `level`, `event`, and the event's own fields (docs/operations.md has the table). */
import { iso } from "./task.ts";

export const LOG_LEVELS = ["debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export type Severity = Exclude<LogLevel, "silent">;
export type Log = (level: Severity, event: string, fields: Readonly<Record<string, unknown>>) => void;

/**
 * A log that keeps quiet below `least`. Times are RFC 3339; absent fields (undefined) are left out.
 * @param write takes a line
 */
export function createLog(now: () => number, least: LogLevel, write: (line: string) => void): Log {
  const rank = LOG_LEVELS.indexOf(least);
  return (level, event, fields) => {
    if (LOG_LEVELS.indexOf(level) < rank) return;
    write(JSON.stringify({ at: iso(now()), level, event, ...fields }));
  };
}

/** What was thrown, for the inside: message and stack of an error, anything else as text. */
export function describeThrown(thrown: unknown): string {
  return thrown instanceof Error ? (thrown.stack ?? `${thrown.name}: ${thrown.message}`) : String(thrown);
}
