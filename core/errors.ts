/**
 * The closed set of error codes, with the HTTP status that each one has and whether the same request may succeed
 * later. Codes are API: they are added, never renamed. Form: RFC 9457 (problem+json), made in src/middleware/problems.
 */
import { QUEUE_NAME, type TaskId } from "./ids.ts";

export const ERRORS = {
  "invalid-json": { status: 422, retryable: false, title: "The body is not JSON" },
  "invalid-request": { status: 422, retryable: false, title: "A field is missing or wrong" },
  "payload-invalid": { status: 422, retryable: false, title: "The payload does not fit its task type" },
  "type-unknown": { status: 422, retryable: false, title: "No such task type" },
  "idempotency-key-reused": { status: 422, retryable: false, title: "The Idempotency-Key came with another body" },
  "payload-too-large": { status: 413, retryable: false, title: "The payload is too large" },
  "body-too-large": { status: 413, retryable: false, title: "The body is too large" },
  "batch-too-large": { status: 413, retryable: false, title: "The batch is larger than the queue may hold" },
  "unsupported-media-type": { status: 415, retryable: false, title: "Only application/json is read" },
  "origin-not-allowed": { status: 403, retryable: false, title: "Not from a page of another origin" },
  "upgrade-required": { status: 426, retryable: false, title: "Only a WebSocket is taken here" },
  "method-not-allowed": { status: 405, retryable: false, title: "That method is not for this path" },
  "not-found": { status: 404, retryable: false, title: "Nothing is here" },
  "task-unknown": { status: 404, retryable: false, title: "No such task" },
  "batch-unknown": { status: 404, retryable: false, title: "No such batch" },
  "dead-letter-unknown": { status: 404, retryable: false, title: "No such dead letter" },
  "queue-unknown": { status: 404, retryable: false, title: "No such queue" },
  "job-unknown": { status: 404, retryable: false, title: "No such job" },
  "webhook-unknown": { status: 404, retryable: false, title: "No such webhook" },
  "delivery-unknown": { status: 404, retryable: false, title: "No such delivery" },
  "workflow-unknown": { status: 404, retryable: false, title: "No such workflow run" },
  "node-unknown": { status: 404, retryable: false, title: "No such node" },
  "signal-unknown": { status: 404, retryable: false, title: "No node waits for that signal" },
  "schedule-unknown": { status: 404, retryable: false, title: "No such schedule" },
  "task-unfinished": { status: 409, retryable: true, title: "The task has not ended yet" },
  "task-finished": { status: 409, retryable: false, title: "The task has ended" },
  "duplicate-task": { status: 409, retryable: false, title: "Another task has that key" },
  "already-redriven": { status: 409, retryable: false, title: "The dead letter was redriven with another edit" },
  "task-running": { status: 409, retryable: false, title: "The task runs" },
  "task-blocked": { status: 409, retryable: false, title: "The task waits for others of its run" },
  "rev-mismatch": { status: 412, retryable: false, title: "The task has changed meanwhile" },
  "webhook-exists": { status: 409, retryable: false, title: "The queue has a webhook of that url" },
  "workflow-running": { status: 409, retryable: true, title: "The run has not ended yet" },
  "workflow-finished": { status: 409, retryable: false, title: "The run has ended" },
  "node-not-failed": { status: 409, retryable: false, title: "The node has not failed" },
  "signal-taken": { status: 409, retryable: false, title: "The signal came with another payload" },
  "schedule-exists": { status: 409, retryable: false, title: "A schedule of that id exists" },
  "schedule-finished": { status: 409, retryable: false, title: "The schedule has no fire ahead" },
  "setting-fixed": { status: 409, retryable: false, title: "That setting is fixed when the queue is made" },
  "queue-in-use": { status: 409, retryable: false, title: "Something still sends tasks to the queue" },
  "queue-not-empty": { status: 409, retryable: false, title: "The queue still takes or holds tasks" },
  "result-expired": { status: 410, retryable: false, title: "The result is past its retention" },
  "task-expired-from-history": { status: 410, retryable: false, title: "The task is past its retention" },
  "task-deleted": { status: 410, retryable: false, title: "The task's data was deleted" },
  "queue-full": { status: 503, retryable: true, title: "The queue is at its depth limit" },
  draining: { status: 503, retryable: true, title: "The queue takes no new tasks" },
  "too-many-keys": { status: 503, retryable: true, title: "The shard holds too many distinct lanes" },
  "too-many-jobs": { status: 503, retryable: true, title: "Too many jobs are under way" },
  "history-backlog": { status: 503, retryable: true, title: "History is too far behind" },
  "webhook-backlog": { status: 503, retryable: true, title: "Receivers of webhooks are too far behind" },
  "history-unavailable": { status: 503, retryable: true, title: "History does not answer" },
  "migration-failed": { status: 503, retryable: true, title: "A shard could not be migrated" },
  overloaded: { status: 503, retryable: true, title: "The shard is overloaded" },
  unavailable: { status: 503, retryable: true, title: "A part of the service does not answer" },
  "outcome-unknown": { status: 503, retryable: false, title: "The answer was lost; the task may have been accepted" },
  misconfigured: { status: 503, retryable: false, title: "The deployment is misconfigured" },
  internal: { status: 500, retryable: true, title: "Something went wrong here" },
} as const satisfies Record<string, { status: number; retryable: boolean; title: string }>;

export type ErrorCode = keyof typeof ERRORS;

/** Codes that objects have between them are nobody's outside: such an object does not do its work. */
export function publicCode(code: string): ErrorCode {
  return isErrorCode(code) ? code : "unavailable";
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERRORS, code);
}

export interface FieldError {
  /**
   * JSON Pointer (RFC 6901) into the request body, `?name` for a query parameter, `{name}` for a part of the path,
   * `Name:` for a header.
   */
  readonly pointer: string;
  readonly detail: string;
}

export interface ProblemOptions {
  readonly errors?: readonly FieldError[];
  readonly retryAfterMs?: number;
  /** The task that is in the way. */
  readonly taskId?: TaskId;
}

/** An answer other than success. Thrown at the door only; across RPC the same code travels as a value. */
export class Problem extends Error {
  override readonly name = "Problem";
  readonly code: ErrorCode;
  readonly detail: string;
  readonly options: ProblemOptions;

  constructor(code: ErrorCode, detail: string, options: ProblemOptions = {}) {
    super(`${code}: ${detail}`);
    this.code = code;
    this.detail = detail;
    this.options = options;
  }
}

/** How a task may end other than well. `error.code` of a task and of an attempt. */
export const END_CODES = [
  "handler-error",
  "timeout",
  "crashed",
  "poisoned",
  "result-too-large",
  "payload-invalid",
  "cancelled",
  "expired",
  "parent-failed",
  "parent-cancelled",
  "skipped",
  "signal-timeout",
  "task-lost",
  "workflow-too-large",
] as const;
export type EndCode = (typeof END_CODES)[number];

/** Why an attempt did not succeed. `fingerprint` groups equal causes (issue 2 makes groups of it). */
export interface AttemptError {
  readonly code: EndCode;
  readonly message: string;
  /** The class of what was thrown: "TypeError". */
  readonly class: string;
  readonly stack?: string;
  readonly fingerprint?: string;
}

/** What `queue-unknown` says, whoever notices it. */
export function noSuchQueue(queue: string): string {
  return QUEUE_NAME.test(queue)
    ? `There is no queue ${queue}. PUT /queues/${queue} makes it.`
    : `There is no queue ${queue}, and none can have that name.`;
}
