/**
 * What surrounds every request: its id, its answer when something was thrown, its one log line. A function around the
 * app and not a chain of Hono middleware: with a single handler a route, Hono calls it directly.
 */
import type { ErrorHandler, Hono, NotFoundHandler } from "hono";
import { Problem } from "../../core/errors.ts";
import { DEFAULT_TENANT } from "../../core/ids.ts";
import { describeThrown, type Severity } from "../../core/log.ts";
import type { Door, DoorBindings, Invocation } from "../door.ts";
import { problemResponse } from "./problems.ts";
import { REQUEST_ID_HEADER, requestIdOf } from "./request-id.ts";

/** Answers a request, whatever happens. */
export async function serve(door: Door, app: Hono<DoorBindings>, request: Request): Promise<Response> {
  const invocation: Invocation = {
    requestId: requestIdOf(request, door.ports),
    tenant: DEFAULT_TENANT,
    startedAt: door.ports.now(),
    taskIds: [],
    code: null,
    thrown: null,
  };
  let response: Response;
  try {
    response = await app.fetch(request, invocation);
  } catch (thrown) {
    response = answerThrown(invocation, thrown);
  }
  response.headers.set(REQUEST_ID_HEADER, invocation.requestId);
  logRequest(door, invocation, request, response.status);
  return response;
}

/** What a route threw: a problem as it is, anything else as 500 with nothing of its inside. */
export const onError: ErrorHandler<DoorBindings> = (thrown, c) => answerThrown(c.env, thrown);

function answerThrown(invocation: Invocation, thrown: unknown): Response {
  if (thrown instanceof Problem) {
    invocation.code = thrown.code;
    return problemResponse(invocation.requestId, thrown.code, thrown.detail, thrown.options);
  }
  invocation.code = "internal";
  invocation.thrown = thrown;
  return problemResponse(
    invocation.requestId,
    "internal",
    "The request could not be carried out; its id finds the cause in the log.",
  );
}

const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"] as const;

/** A path or method that no route has: 404, OPTIONS, or 405 with the methods that are there. Asks the router itself. */
export function answerUnrouted(app: Hono<DoorBindings>): NotFoundHandler<DoorBindings> {
  return (c) => {
    const methods: string[] = METHODS.filter((method) => app.router.match(method, c.req.path)[0].length > 0);
    if (methods.length === 0) {
      c.env.code = "not-found";
      return problemResponse(c.env.requestId, "not-found", `No such path: ${c.req.path}`);
    }
    if (methods.includes("GET")) methods.push("HEAD");
    const allow = [...methods, "OPTIONS"].join(", ");
    if (c.req.method === "OPTIONS") return new Response(null, { status: 204, headers: { allow } });
    c.env.code = "method-not-allowed";
    const detail = `${c.req.method} is not for ${c.req.path}; it has ${allow}.`;
    return problemResponse(c.env.requestId, "method-not-allowed", detail, {}, { allow });
  };
}

function logRequest({ ports, log }: Door, invocation: Invocation, request: Request, status: number): void {
  const { requestId, startedAt, taskIds, code, thrown } = invocation;
  log(severityOf(status), "request", {
    requestId,
    method: request.method,
    path: pathOf(request.url),
    status,
    ms: ports.now() - startedAt,
    tasks: taskIds.length > 0 ? taskIds : undefined,
    code: code ?? undefined,
    error: thrown === null ? undefined : describeThrown(thrown),
  });
}

function severityOf(status: number): Severity {
  if (status === 500) return "error";
  return status === 503 || status === 429 ? "warn" : "info";
}

/** Without origin and query: a query may hold what a log should not. */
function pathOf(url: string): string {
  const start = url.indexOf("/", url.indexOf("://") + 3);
  const end = url.indexOf("?", start);
  return start < 0 ? "/" : end < 0 ? url.slice(start) : url.slice(start, end);
}
