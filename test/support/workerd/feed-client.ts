/** A client of the live feed: its socket, and what it has heard. */
import { vi } from "vitest";
import type { FeedEvent } from "../../../core/schema/live-feed.ts";
import { serviceWith } from "./service.ts";

const PATIENCE = { timeout: 10_000, interval: 10 };
type Kind = FeedEvent["event"];
type Heard<K extends Kind> = Extract<FeedEvent, { event: K }>;

export class FeedClient {
  readonly heard: (FeedEvent | string)[] = [];
  isClosed = false;
  readonly #socket: WebSocket;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => {
      const text = String(data);
      this.heard.push(text.startsWith("{") ? JSON.parse(text) : text);
    });
    socket.addEventListener("close", () => {
      this.isClosed = true;
    });
    socket.accept();
  }

  static async open(fetch = serviceWith()): Promise<FeedClient> {
    const { webSocket, status } = await fetch(
      new Request("http://sluice.test/events", { headers: { upgrade: "websocket" } }),
    );
    if (!webSocket) throw new Error(`no socket, but ${status}`);
    return new FeedClient(webSocket);
  }

  say(message: unknown): void {
    this.#socket.send(
      typeof message === "string" || message instanceof ArrayBuffer ? message : JSON.stringify(message),
    );
  }

  close(): void {
    this.#socket.close(1000, "done");
  }

  /** Those of a kind, when there are as many. */
  all<K extends Kind>(kind: K, atLeast = 0): Promise<Heard<K>[]> {
    return vi.waitUntil(() => {
      const found = this.heard.filter((one): one is Heard<K> => typeof one !== "string" && one.event === kind);
      return found.length >= atLeast ? found : null;
    }, PATIENCE);
  }

  /** The task's statuses as they were told, once that many were. */
  async statuses(id: string, atLeast: number): Promise<string[]> {
    return await vi.waitUntil(async () => {
      const told = (await this.all("task")).filter(({ task }) => task.id === id).map(({ task }) => task.status);
      return told.length >= atLeast ? told : null;
    }, PATIENCE);
  }
}
