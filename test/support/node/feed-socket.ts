/** A client of the live feed over Node's own WebSocket: what it was told last of each task and queue, and how often. */
import { waitFor } from "./wait-for.ts";

interface Told {
  readonly event: string;
  readonly task?: { readonly id: string; readonly status: string };
  readonly queue?: string;
  readonly counts?: { readonly depth: number };
}

export class FeedSocket {
  readonly statuses = new Map<string, string[]>();
  readonly depths = new Map<string, number[]>();
  readonly errors: Told[] = [];
  isClosed = false;
  readonly #socket: WebSocket;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.#heard(JSON.parse(String(data)));
    socket.onclose = () => {
      this.isClosed = true;
    };
  }

  /** @param url of the service, http://… */
  static async open(url: string): Promise<FeedSocket> {
    const socket = new WebSocket(`${url.replace("http", "ws")}/events`);
    await new Promise((resolve, reject) => {
      socket.onopen = resolve;
      socket.onerror = () => reject(new Error("the socket was not opened"));
    });
    return new FeedSocket(socket);
  }

  say(message: object): void {
    this.#socket.send(JSON.stringify(message));
  }

  async close(): Promise<void> {
    this.#socket.close();
    await waitFor(() => this.isClosed, { what: "the socket is closed" });
  }

  #heard(told: Told): void {
    const { event, task, queue, counts } = told;
    if (event === "task" && task) note(this.statuses, task.id, task.status);
    else if (event === "queue" && queue !== undefined && counts) note(this.depths, queue, counts.depth);
    else this.errors.push(told);
  }
}

function note<T>(all: Map<string, T[]>, name: string, told: T): void {
  const before = all.get(name);
  if (before) before.push(told);
  else all.set(name, [told]);
}
