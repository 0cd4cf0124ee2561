/** How a handler says more than "it failed": never again, or not now. */

/** Ends the task at once as FAILED, whatever attempts are left: trying again could not help. */
export class NonRetryableError extends Error {
  override readonly name = "NonRetryableError";
}

/** Thrown by `ctx.retryLater`: not a failure. The task waits and runs again, and no attempt is spent. */
export class RetryLater extends Error {
  override readonly name = "RetryLater";
  readonly delayMs: number;

  constructor(delayMs: number) {
    super(`the handler asked to run again in ${delayMs} ms`);
    this.delayMs = delayMs;
  }
}

/** Whether an error says that trying again is of no use; by name, so that a copy of the class in another bundle counts. */
export function isNonRetryable(error: unknown): boolean {
  return error instanceof Error && error.name === "NonRetryableError";
}
