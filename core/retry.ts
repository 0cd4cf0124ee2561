/** When a task that failed runs again. Exponential backoff is base * 2^(n-1), as in BullMQ and Oban; jitter "full" is AWS's ("Exponential Backoff And Jitter", 2015). */

export interface RetryPolicy {
  /** How many attempts may be spent, the first one included; 1 to 100. */
  readonly maxAttempts: number;
  readonly backoff: "exponential" | "fixed";
  readonly baseMs: number;
  readonly capMs: number;
  /** "full": a uniform draw from 0 to the delay. */
  readonly jitter: "none" | "full";
}

export const DEFAULT_RETRY: RetryPolicy = {
  maxAttempts: 4,
  backoff: "exponential",
  baseMs: 1_000,
  capMs: 3_600_000,
  jitter: "none",
};

export const CAP_BELOW_BASE = "must be at least baseMs";

/**
 * Whether one layer names a cap that cuts its own base off. A cap alone may be below a base of another layer: then it is
 * the pause.
 */
export function isCapBelowBase({ baseMs, capMs }: { readonly [Field in "baseMs" | "capMs"]?: unknown }): boolean {
  return typeof baseMs === "number" && typeof capMs === "number" && capMs < baseMs;
}

/**
 * The pause (ms) after the `failures`-th failure (1 for the first): base, 2 base, 4 base … up to the cap.
 * @param random a draw from [0, 1), used by jitter alone
 */
export function retryDelay(policy: RetryPolicy, failures: number, random: number): number {
  const exponent = policy.backoff === "fixed" ? 0 : Math.min(failures - 1, 50);
  const delay = Math.min(policy.capMs, policy.baseMs * 2 ** exponent);
  return policy.jitter === "full" ? Math.floor(delay * random) : delay;
}

/** Task over type over queue: the first layer that names a field decides it. */
export function mergeRetry(...layers: (Partial<RetryPolicy> | null | undefined)[]): RetryPolicy {
  const policy = { ...DEFAULT_RETRY };
  for (const layer of layers.reverse()) Object.assign(policy, layer);
  return policy;
}
