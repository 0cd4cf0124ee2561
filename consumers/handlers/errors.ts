/** How a handler says more than "it failed": what the cause is, never again, or not now. */

export interface TaskErrorOptions extends ErrorOptions {
  /** What failures of one cause have in common, in place of what is made of the message: 1 to 128 visible ASCII characters. */
  readonly fingerprint?: string;
}

/**
 * A failure that names its cause: dead letters are grouped by it, and found by `?fingerprint=`. Any error that has a
 * property `fingerprint` does as well.
 */
export class TaskError extends Error {
  override readonly name: string = "TaskError";
  declare readonly fingerprint?: string;

  constructor(message?: string, { fingerprint, ...options }: TaskErrorOptions = {}) {
    super(message, options);
    if (fingerprint !== undefined) this.fingerprint = fingerprint;
  }
}

/** Ends the task at once as FAILED, whatever attempts are left: trying again could not help. */
export class NonRetryableError extends TaskError {
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
