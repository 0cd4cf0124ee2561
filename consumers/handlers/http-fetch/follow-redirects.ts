/**
 * Follows redirects by hand, by the rules of the Fetch standard ("HTTP-redirect fetch", 4.4): the runtime's own
 * following neither counts to five nor says which way it went. Credentials stay with the origin that they were given
 * for: Authorization (the standard), and Cookie and Proxy-Authorization as well, are dropped on the way to another.
 */
import { parsePlainUrl } from "../../../core/plain-url.ts";
import { NonRetryableError } from "../errors.ts";

export const MAX_REDIRECTS = 5;
export const MAX_URL_LENGTH = 8_192;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
/** "Request-body-header names" of the standard: they describe a body that is not sent again. */
const BODY_HEADERS = ["content-encoding", "content-language", "content-location", "content-type"];
const CREDENTIALS = ["authorization", "cookie", "proxy-authorization"];

export interface Target {
  readonly url: URL;
  readonly method: string;
  readonly headers: Headers;
  readonly body: string | null;
}

export interface Arrival {
  readonly response: Response;
  /** Where the response came from. */
  readonly url: URL;
  /** The URLs that redirected, in order. */
  readonly redirects: readonly string[];
}

/**
 * Requests `target` and follows at most `limit` redirects. A redirect without a Location is an answer like any other.
 * Throws `NonRetryableError` for one redirect too many and for a Location that cannot be followed, and a plain error
 * (to be tried again) where no answer came.
 */
export async function followRedirects(target: Target, limit: number, signal: AbortSignal): Promise<Arrival> {
  const redirects: string[] = [];
  for (let at = target; ; ) {
    const response = await request(at, signal);
    const location = REDIRECTS.has(response.status) ? response.headers.get("location") : null;
    if (location === null) return { response, url: at.url, redirects };
    // An unread body would hold one of the six connections that an invocation may have.
    await response.body?.cancel().catch(() => {});
    if (redirects.length === limit)
      throw new NonRetryableError(`more than ${limit} redirects, the last to ${location.slice(0, 200)}`);
    redirects.push(at.url.href);
    at = nextTarget(at, response.status, location);
  }
}

async function request({ url, method, headers, body }: Target, signal: AbortSignal): Promise<Response> {
  try {
    return await fetch(url, { method, headers, body, redirect: "manual", signal });
  } catch (error) {
    signal.throwIfAborted();
    throw new Error(`no answer from ${url.origin}`, { cause: error });
  }
}

/** What is requested next after a redirect of `status` to `location`. */
export function nextTarget(from: Target, status: number, location: string): Target {
  const url = parsePlainUrl(location, MAX_URL_LENGTH, from.url);
  if (url === null)
    throw new NonRetryableError(`a redirect to what is not a plain http or https URL: ${location.slice(0, 200)}`);
  if (url.hash === "") url.hash = from.url.hash;
  const headers = new Headers(from.headers);
  if (url.origin !== from.url.origin) for (const name of CREDENTIALS) headers.delete(name);
  const becomesGet =
    ((status === 301 || status === 302) && from.method === "POST") ||
    (status === 303 && from.method !== "GET" && from.method !== "HEAD");
  if (!becomesGet) return { ...from, url, headers };
  for (const name of BODY_HEADERS) headers.delete(name);
  return { url, method: "GET", headers, body: null };
}
