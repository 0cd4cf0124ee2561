/** Calls the service under test over HTTP, as a client does: JSON in, JSON out. */
import { exports } from "cloudflare:workers";

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  /** Parsed; null where there was none. */
  readonly body: Json;
}

/** Parsed JSON that a test looks into; every access is checked by the expectation on it. */
export type Json = { readonly [key: string]: Json } & readonly Json[] & (string | number | boolean | null);

export interface CallOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as it is, with the content type of `headers`. */
  readonly raw?: string | Uint8Array | ReadableStream<Uint8Array>;
  /** Where to; the shipped Worker by default. */
  readonly fetch?: (request: Request) => Promise<Response>;
}

export async function call(method: string, path: string, json?: unknown, options: CallOptions = {}): Promise<Reply> {
  const body = options.raw ?? (json === undefined ? undefined : JSON.stringify(json));
  const headers = { ...(json !== undefined && { "content-type": "application/json" }), ...options.headers };
  const request = new Request(`http://sluice.test${path}`, { method, headers, ...(body !== undefined && { body }) });
  const response = await (options.fetch ?? ((sent: Request) => exports.default.fetch(sent)))(request);
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: (text === "" ? null : JSON.parse(text)) as Json };
}
