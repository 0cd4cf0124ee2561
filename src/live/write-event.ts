/** Events in the form of Server-Sent Events (WHATWG HTML, 9.2). Data is JSON, which has no line break in it. */
export interface ServerEvent {
  readonly event: string;
  readonly data: unknown;
  /** Where a client goes on: it sends the latest one it saw as `Last-Event-ID`. */
  readonly id?: string;
}

export function eventText({ event, data, id }: ServerEvent): string {
  const name = id === undefined ? "" : `id: ${id}\n`;
  return `${name}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}

/** How long (ms) a client is to wait before it comes again. */
export function retryText(ms: number): string {
  return `retry: ${ms}\n\n`;
}

/** Nothing but a sign of life: proxies close what is silent. */
export const HEARTBEAT = ": \n\n";
