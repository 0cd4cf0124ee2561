/** Answers as they leave: JSON, never to be kept by a cache, because a task's next answer is another one. */

const HEADERS = { "content-type": "application/json", "cache-control": "no-store" };

/** @param status of success; problems have their own form (problems.ts) */
export function json(value: unknown, status = 200, headers?: Readonly<Record<string, string>>): Response {
  return jsonText(JSON.stringify(value), status, headers);
}

/** As {@link json}, of a text that is JSON already. */
export function jsonText(text: string, status = 200, headers?: Readonly<Record<string, string>>): Response {
  return new Response(text, { status, headers: headers === undefined ? HEADERS : { ...HEADERS, ...headers } });
}
