/**
 * `http-fetch`: makes one HTTP request and keeps the answer. What a user of a task queue expects of it:
 * - an answer is a success, whatever its status: the task did what it was told, and the status is in the result.
 *   `failOn` turns 5xx, or 4xx and 5xx, into failures instead; of those, 4xx other than 408, 425 and 429 are final.
 * - no answer (refused, reset, cut off, timed out) is a failure that is tried again.
 * - what can never do (a redirect loop, a redirect to another scheme) is a failure that is final.
 * A request may be made more than once; one that is not to be repeated carries the task's key
 * (`idempotencyHeader: true` sends it as Idempotency-Key).
 */
import { z } from "zod";
import { MAX_RESULT_BYTES, MIB, utf8Bytes } from "../../core/bytes.ts";
import { parsePlainUrl } from "../../core/plain-url.ts";
import { defineHandler } from "./define.ts";
import { NonRetryableError } from "./errors.ts";
import { encodeBody, fitBody } from "./http-fetch/encode-body.ts";
import { followRedirects, MAX_REDIRECTS, MAX_URL_LENGTH, type Target } from "./http-fetch/follow-redirects.ts";
import { readBody } from "./http-fetch/read-body.ts";

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const;
/** Set by the runtime from the request itself; a value of the user's would be dropped or would break the request. */
const RUNTIME_HEADERS = new Set(
  "connection content-length expect host keep-alive te trailer transfer-encoding upgrade".split(" "),
);
const DEFAULT_RESPONSE_HEADERS = ["content-type", "content-length", "etag", "last-modified", "location", "retry-after"];
/** 4xx that say "later" (RFC 9110, 15.5.9; RFC 8470, 5.2; RFC 6585, 4). */
const LATER = new Set([408, 425, 429]);
/** What the names and the small values of the four fields about the body take in the result, and a little more. */
const BODY_FIELDS_BYTES = 128;

const headerName = z
  .string()
  .max(256)
  .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, "not the name of a header");
const headerValue = z
  .string()
  .max(8_192)
  .regex(/^[\t\x20-\x7e\x80-\xff]*$/, "a header's value holds neither control characters nor any beyond Latin-1");

const payload = z
  .strictObject({
    url: z
      .string()
      .max(8_192)
      .refine(
        (text) => parsePlainUrl(text, MAX_URL_LENGTH) !== null,
        "an absolute http: or https: URL of at most 8192 characters, without user name or password",
      ),
    method: z.enum(METHODS).default("GET"),
    headers: z
      .record(headerName, headerValue)
      .refine((headers) => Object.keys(headers).length <= 64, "at most 64 headers")
      .refine((headers) => !Object.keys(headers).some((name) => RUNTIME_HEADERS.has(name.toLowerCase())), {
        error: `none of ${[...RUNTIME_HEADERS].join(", ")}: the runtime sets them`,
      })
      .default({}),
    /** Sent as UTF-8. Without a content-type of yours it goes as text/plain. */
    body: z.string().optional(),
    /** Sends the task's idempotency key, the same in every attempt, as Idempotency-Key. */
    idempotencyHeader: z.boolean().default(false),
    /** How much of the answer's body is kept; the rest is not read, and `truncated` says so. */
    maxBytes: z.int().min(0).max(MIB).default(MIB),
    /** For everything: all redirects and the body. The task's own timeoutMs holds besides. */
    timeoutMs: z.int().min(1).max(600_000).default(30_000),
    maxRedirects: z.int().min(0).max(MAX_REDIRECTS).default(MAX_REDIRECTS),
    /** Headers of the answer to keep. */
    responseHeaders: z.array(headerName).max(32).default(DEFAULT_RESPONSE_HEADERS),
    failOn: z.enum(["none", "5xx", "4xx"]).default("none"),
  })
  .refine(({ method, body }) => body === undefined || (method !== "GET" && method !== "HEAD"), {
    error: "a GET or HEAD request has no body",
    path: ["body"],
  });

export const httpFetch = defineHandler({
  type: "http-fetch",
  version: 1,
  payload,
  async run(request, ctx) {
    const signal = AbortSignal.any([ctx.signal, AbortSignal.timeout(request.timeoutMs)]);
    const headers = new Headers(request.headers);
    if (request.idempotencyHeader) headers.set("idempotency-key", ctx.idempotencyKey);
    const first: Target = { url: new URL(request.url), method: request.method, headers, body: request.body ?? null };
    const { response, url, redirects } = await followRedirects(first, request.maxRedirects, signal);
    refuseStatus(response, request.failOn);
    const read = await readBody(response, request.maxBytes);
    const around = {
      url: url.href,
      status: response.status,
      headers: chooseHeaders(response.headers, request.responseHeaders),
      redirects,
    };
    const room = MAX_RESULT_BYTES - utf8Bytes(JSON.stringify(around)) - BODY_FIELDS_BYTES;
    const body = fitBody(encodeBody(read.bytes, response.headers.get("content-type")), room);
    return {
      ...around,
      body: body.text,
      bodyEncoding: body.encoding,
      bodyBytes: body.bytes,
      truncated: read.truncated || body.bytes < read.bytes.byteLength,
    };
  },
});

/** Throws where the status is one that the task is to fail on. */
function refuseStatus(response: Response, failOn: "none" | "5xx" | "4xx"): void {
  const { status } = response;
  const fails = failOn === "none" ? false : status >= (failOn === "5xx" ? 500 : 400);
  if (!fails) return;
  void response.body?.cancel().catch(() => {});
  const message = `answered ${status}`;
  const error = status >= 500 || LATER.has(status) ? new Error(message) : new NonRetryableError(message);
  throw Object.assign(error, { code: `http-${status}` });
}

/** The named headers that are there, by lower-case name, in the order asked for; each value cut at 4 KiB. */
function chooseHeaders(headers: Headers, names: readonly string[]): Record<string, string> {
  const chosen: Record<string, string> = {};
  let room = 16 * 1024;
  for (const name of names) {
    const value = headers.get(name)?.slice(0, Math.min(room, 4_096));
    if (value === undefined) continue;
    chosen[name.toLowerCase()] = value;
    room -= value.length;
  }
  return chosen;
}
