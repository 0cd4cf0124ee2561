/**
 * Errors as RFC 9457 has them (application/problem+json): a stable `code`, `errors[]` with JSON Pointers, the request
 * id, whether the same request may succeed later. Nothing of the inside: no stack, no name of an object.
 */
import { KIB } from "../../core/bytes.ts";
import { ERRORS, type ErrorCode, type FieldError, Problem, type ProblemOptions } from "../../core/errors.ts";
import type { TaskId } from "../../core/ids.ts";
import type { Fault } from "../../core/make-task.ts";

/** Where a refusal does not say when to come again. */
const RETRY_AFTER_S = 1;
/** What ends only when somebody ends it is not asked for each second. */
const LEAST_RETRY_S: Partial<Record<ErrorCode, number>> = {
  draining: 30,
  "history-backlog": 30,
  "webhook-backlog": 30,
};

/** The members of a problem, for an answer of its own or a place in another one. */
export interface ProblemView {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: ErrorCode;
  readonly detail: string;
  readonly retryable: boolean;
  readonly errors?: readonly FieldError[];
  /** The task that is in the way. */
  readonly taskId?: TaskId;
}

export function problemView(
  code: ErrorCode,
  detail: string,
  { errors, taskId }: Pick<ProblemOptions, "errors" | "taskId"> = {},
): ProblemView {
  const { status, title, retryable } = ERRORS[code];
  const view = { type: `urn:sluice:problem:${code}`, title, status, code, detail, retryable };
  return {
    ...view,
    ...(errors !== undefined && errors.length > 0 && { errors: tellable(errors) }),
    ...(taskId !== undefined && { taskId }),
  };
}

/** Characters of faults that are told: each names its place in full, and a field's name may be a megabyte long. */
const MAX_TOLD = 64 * KIB;

/** The first one at least. */
function tellable(errors: readonly FieldError[]): readonly FieldError[] {
  let chars = 0;
  const end = errors.findIndex(({ pointer, detail }) => {
    chars += pointer.length + detail.length;
    return chars > MAX_TOLD;
  });
  return end === -1 ? errors : errors.slice(0, Math.max(1, end));
}

/**
 * Retry-After stands on whatever may succeed later; not on `outcome-unknown`, where a client that came again by itself
 * could submit twice.
 * @param headers of the answer, beside its own
 */
export function problemResponse(
  requestId: string,
  code: ErrorCode,
  detail: string,
  options: ProblemOptions = {},
  headers?: Readonly<Record<string, string>>,
): Response {
  const { status, retryable } = ERRORS[code];
  const { retryAfterMs = RETRY_AFTER_S * 1_000 } = options;
  const response = new Response(JSON.stringify({ ...problemView(code, detail, options), requestId }), {
    status,
    headers: { "content-type": "application/problem+json", "cache-control": "no-store", ...headers },
  });
  if (retryable && status !== 500)
    response.headers.set("retry-after", String(Math.max(LEAST_RETRY_S[code] ?? 1, Math.ceil(retryAfterMs / 1_000))));
  return response;
}

/** A fault of a body, thrown. */
export function faultProblem({ code, detail, errors }: Fault): Problem {
  return new Problem(code, detail, { errors });
}

/** A query parameter that is wrong. */
export function queryProblem(name: string, detail: string): Problem {
  return new Problem("invalid-request", `The query parameter ${name} ${detail}.`, {
    errors: [{ pointer: `?${name}`, detail }],
  });
}

/**
 * A name in the path that nothing can have.
 * @param name of the path's part, as the documents write it: `{queue}`
 */
export function pathProblem(name: string, subject: string, detail: string): Problem {
  return new Problem("invalid-request", `${subject} ${detail}.`, { errors: [{ pointer: `{${name}}`, detail }] });
}
