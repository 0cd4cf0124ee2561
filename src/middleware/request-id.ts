/** X-Request-Id: the caller's where it is well formed, else a fresh one. It is in the answer, in problems, in the log. */
import type { Ports } from "../../core/ports.ts";

export const REQUEST_ID_HEADER = "x-request-id";
const MAX_LENGTH = 128;

/** 1 to 128 visible ASCII characters: what a header and a log line carry as it is. */
export function isRequestId(text: string): boolean {
  if (text.length === 0 || text.length > MAX_LENGTH) return false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x21 || code > 0x7e) return false;
  }
  return true;
}

export function requestIdOf(request: Request, ports: Pick<Ports, "uuid">): string {
  const told = request.headers.get(REQUEST_ID_HEADER);
  return told !== null && isRequestId(told) ? told : ports.uuid();
}
