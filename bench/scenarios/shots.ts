/** The requests that are shot: of the product, and of its floors. */
import type { Shot } from "../load/shot.ts";

export const PAYLOAD = { hello: "world" };

export function echoTask(queue: string) {
  return { type: "echo", queue, payload: PAYLOAD };
}

export function submission(queue: string): Shot {
  return { method: "POST", path: "/tasks/submissions", body: JSON.stringify(echoTask(queue)) };
}

export function batchOf(queue: string, size: number): Shot {
  const tasks = Array.from({ length: size }, () => echoTask(queue));
  return { method: "POST", path: "/tasks/submissions", body: JSON.stringify({ tasks }) };
}

/** Floors take the same body. */
export function floor(name: "empty" | "insert", like: Shot): Shot {
  return { ...like, path: `/bench/${name}` };
}

export const HELLO: Shot = { method: "GET", path: "/bench/hello" };
