/** Waiting for the condition itself instead of sleeping; what is still missing at the end is said. */
import { setTimeout as pause } from "node:timers/promises";

export interface WaitOptions {
  /** Names the condition in the error: "all 520 tasks ended". */
  readonly what: string;
  readonly timeoutMs?: number;
  /** Between two looks. */
  readonly everyMs?: number;
}

/**
 * Looks until `condition` gives something that is neither false, null nor undefined, and gives that back. What it throws
 * counts as "not yet".
 * @throws after `timeoutMs` (10 s), with what it waited for and what it last saw
 */
export async function waitFor<T>(
  condition: () => T | Promise<T>,
  { what, timeoutMs = 10_000, everyMs = 10 }: WaitOptions,
): Promise<NonNullable<Exclude<T, false>>> {
  const deadline = Date.now() + timeoutMs;
  let last = "nothing";
  for (;;) {
    try {
      const seen = await condition();
      if (seen !== false && seen !== null && seen !== undefined) return seen as NonNullable<Exclude<T, false>>;
      last = String(seen);
    } catch (error) {
      last = error instanceof Error ? error.message : String(error);
    }
    if (Date.now() >= deadline) throw new Error(`Waited ${timeoutMs} ms for: ${what}. Last seen: ${last}`);
    await pause(everyMs);
  }
}
