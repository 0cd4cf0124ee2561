/**
 * A tenant's live feed: WebSockets that hear of many tasks and queues. Sockets hibernate, what they watch is attached to
 * them, and the object has no tables. Shards know nothing of it: it looks each second, by its alarm (a timer would keep
 * it in memory, which is billed), and not at all while nobody watches anything.
 */
import { DurableObject } from "cloudflare:workers";
import type { TenantName } from "../core/ids.ts";
import { describeThrown } from "../core/log.ts";
import type { Ports } from "../core/ports.ts";
import { MAX_SOCKETS } from "../core/schema/live-feed.ts";
import { type Env, platformPorts } from "../ports.ts";
import { KnownQueues } from "../reads/known-queues.ts";
import { Feed, type FeedSocket } from "./live-feed/feed.ts";
import { poll } from "./live-feed/poll.ts";
import { readMessage } from "./live-feed/read-message.ts";
import type { Attachment } from "./live-feed/subscriptions.ts";

const POLL_EACH_MS = 1_000;
/** After a look, however long it took. */
const PAUSE_MS = 250;
/** Messages of one socket that wait for those before them. */
const MAX_BACKLOG = 100;
const GOODBYE = 1000;
const POLICY_VIOLATION = 1008;

/** A socket of this object: its messages are taken one after the other. */
interface Client {
  readonly socket: FeedSocket;
  turn: Promise<void>;
  backlog: number;
}

export class LiveFeed extends DurableObject<Env> {
  readonly #ports: Ports;
  readonly #feed: Feed;
  readonly #clients = new Map<WebSocket, Client>();
  #polledAt = 0;
  #isPolling = false;
  /** Something new is watched since the last look began. */
  #hasNew = false;

  constructor(ctx: DurableObjectState, env: Env, ports: Ports = platformPorts(env)) {
    super(ctx, env);
    const { name } = ctx.id;
    if (name === undefined) throw new Error("a LiveFeed is reached by its tenant's name");
    const tenant = name as TenantName;
    this.#ports = ports;
    const known = new KnownQueues(ports, tenant, ports.log);
    this.#feed = new Feed({ ports, known, log: ports.log }, tenant, () => this.#pollSoon());
    // Answered by the platform, without waking anybody.
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair("ping", "pong"));
    for (const socket of ctx.getWebSockets()) this.#join(socket);
  }

  /** Takes the socket that the request asks for; 503 where there are as many as there may be. */
  override async fetch(_request: Request): Promise<Response> {
    if (this.ctx.getWebSockets().length >= MAX_SOCKETS) return new Response(null, { status: 503 });
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server);
    this.#join(server);
    return new Response(null, { status: 101, webSocket: client });
  }

  override async webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): Promise<void> {
    const client = this.#join(socket);
    if (client.backlog >= MAX_BACKLOG) {
      socket.close(POLICY_VIOLATION, `more than ${MAX_BACKLOG} messages wait`);
      return;
    }
    client.backlog++;
    client.turn = client.turn
      .then(() => this.#feed.take(client.socket, readMessage(message)))
      .catch((error) => this.#failed("message", error))
      .then(() => void client.backlog--);
    await client.turn;
  }

  /** The client waits for its goodbye to be answered; the local runtime leaves that to us. */
  override async webSocketClose(socket: WebSocket): Promise<void> {
    this.#leave(socket);
    if (socket.readyState !== WebSocket.CLOSED) socket.close(GOODBYE);
  }

  override async webSocketError(socket: WebSocket): Promise<void> {
    this.#leave(socket);
  }

  /** Never throws: the platform forgets an alarm that failed six times. */
  override async alarm(): Promise<void> {
    const { now } = this.#ports;
    const isDue = now() - this.#polledAt >= POLL_EACH_MS || now() < this.#polledAt;
    if (isDue) this.#polledAt = now();
    this.#hasNew = false;
    this.#isPolling = true;
    try {
      await poll(this.#feed, !isDue);
    } catch (error) {
      this.#failed("poll", error);
    }
    this.#isPolling = false;
    const at = this.#hasNew ? now() : Math.max(this.#polledAt + POLL_EACH_MS, now() + PAUSE_MS);
    this.#hasNew = this.#hasNew && this.#feed.isWatched;
    if (this.#feed.isWatched) this.#wakeAt(at);
  }

  #join(socket: WebSocket): Client {
    const known = this.#clients.get(socket);
    if (known) return known;
    const client = { socket: feedSocketOf(socket), turn: Promise.resolve(), backlog: 0 };
    this.#clients.set(socket, client);
    this.#feed.join(client.socket);
    return client;
  }

  #leave(socket: WebSocket): void {
    const client = this.#clients.get(socket);
    if (!client) return;
    this.#clients.delete(socket);
    this.#feed.leave(client.socket);
  }

  /** An alarm that is set while one rings would be set again at its end: then it is only noted. */
  #pollSoon(): void {
    if (this.#hasNew) return;
    this.#hasNew = true;
    if (!this.#isPolling) this.#wakeAt(this.#ports.now());
  }

  #wakeAt(at: number): void {
    const set = this.ctx.storage.setAlarm(at).catch((error) => {
      this.#hasNew = false;
      this.#failed("setAlarm", error);
    });
    this.ctx.waitUntil(set);
  }

  #failed(what: string, error: unknown): void {
    this.#ports.log("error", "live-feed-failed", { object: this.ctx.id.name, what, detail: describeThrown(error) });
  }
}

function feedSocketOf(socket: WebSocket): FeedSocket {
  return {
    send(text) {
      try {
        socket.send(text);
      } catch {
        // It is closing; webSocketClose follows.
      }
    },
    attached: () => socket.deserializeAttachment() as Attachment | null,
    attach(attachment) {
      try {
        socket.serializeAttachment(attachment);
        return true;
      } catch {
        return false;
      }
    },
  };
}
