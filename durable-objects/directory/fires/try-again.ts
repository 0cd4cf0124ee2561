/** How long an answer about a fire is waited for, and when one that got none is tried again. */
import { retryDelay } from "../../../core/retry.ts";

/** Below the first retry (2 s), so that a fire is seldom on its way twice. */
export const ANSWER_WITHIN_MS = 1_500;
const BACKOFF = { maxAttempts: 100, backoff: "exponential", baseMs: 2_000, capMs: 60_000, jitter: "none" } as const;

/** After 2, 4, 8 … 60 s. @param tries made so far @param now Unix ms, as what it gives back */
export function nextTry(tries: number, now: number): number {
  return now + retryDelay(BACKOFF, tries, 0);
}
