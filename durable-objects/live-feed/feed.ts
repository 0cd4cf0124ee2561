/**
 * Who watches what, at one tenant's live feed. Must stay true: what a socket watches is attached to it before anything
 * else happens, so the loss of this memory costs it nothing but to be told once more how all of it stands.
 */
import { Problem } from "../../core/errors.ts";
import {
  parseTaskId,
  type QueueName,
  type Seq,
  type ShardAddress,
  type TaskId,
  type TenantName,
} from "../../core/ids.ts";
import { type FeedEvent, MAX_FEED_TASKS, MAX_SOCKET_QUEUES, MAX_SOCKET_TASKS } from "../../core/schema/live-feed.ts";
import { deadlineOf } from "../../reads/ask.ts";
import { knownPlace } from "../../reads/find-tasks.ts";
import type { Reader } from "../../reads/reader.ts";
import type { FeedError, ReadMessage } from "./read-message.ts";
import { type Attachment, pack, type Subscriptions, unpack } from "./subscriptions.ts";

/** A client's socket, as far as the feed needs it. */
export interface FeedSocket {
  /** Nothing where the client has gone. */
  send(text: string): void;
  attached(): Attachment | null;
  /** @returns false where it is more than the platform keeps */
  attach(attachment: Attachment): boolean;
}

/** What somebody watches: how it stands, as it was last told. */
interface Watched {
  readonly sockets: Set<FeedSocket>;
  /** JSON text of the event; null: nobody knows yet. */
  text: string | null;
  /** It has been looked for since somebody watches it. */
  wasAsked: boolean;
}
export interface WatchedTask extends Watched {
  readonly at: ShardAddress;
  readonly seq: Seq;
  mark: string | null;
}

export class Feed {
  readonly reader: Reader;
  readonly tenant: TenantName;
  readonly tasks = new Map<TaskId, WatchedTask>();
  readonly queues = new Map<QueueName, Watched>();
  readonly #sockets = new Map<FeedSocket, Subscriptions>();
  readonly #pollSoon: () => void;

  /** @param pollSoon somebody watches what nobody has looked at yet */
  constructor(reader: Reader, tenant: TenantName, pollSoon: () => void) {
    this.reader = reader;
    this.tenant = tenant;
    this.#pollSoon = pollSoon;
  }

  get isWatched(): boolean {
    return this.tasks.size + this.queues.size > 0;
  }

  /** A socket that is open, new or found again: what is attached to it is watched from now on. */
  join(socket: FeedSocket): void {
    const { ids, queues } = unpack(socket.attached());
    this.#sockets.set(socket, { ids: new Set(), queues: new Set() });
    for (const id of ids) this.#watchTask(socket, id);
    for (const queue of queues) this.#watchQueue(socket, queue);
  }

  leave(socket: FeedSocket): void {
    const { ids, queues } = this.#of(socket);
    for (const id of ids) drop(this.tasks, id, socket);
    for (const queue of queues) drop(this.queues, queue, socket);
    this.#sockets.delete(socket);
  }

  /** Does what a message asks for; what cannot be done is told. */
  async take(socket: FeedSocket, message: ReadMessage): Promise<void> {
    if (!message.ok) for (const error of message.errors) tell(socket, error);
    else if (message.action === "unsubscribe") this.#unsubscribe(socket, message);
    else await this.#subscribe(socket, message);
  }

  /** It is told how the task stands, each socket that watches it; once it has ended there is nothing to watch. */
  toldTask(id: TaskId, text: string, isOver: boolean): void {
    const task = this.tasks.get(id);
    if (!task) return;
    task.text = text;
    for (const socket of [...task.sockets]) {
      socket.send(text);
      if (isOver) this.#forget(socket, "ids", id);
    }
    if (isOver) this.tasks.delete(id);
  }

  toldQueue(queue: QueueName, text: string, isOver: boolean): void {
    const watched = this.queues.get(queue);
    if (!watched || watched.text === text) return;
    watched.text = text;
    for (const socket of [...watched.sockets]) {
      socket.send(text);
      if (isOver) this.#forget(socket, "queues", queue);
    }
    if (isOver) this.queues.delete(queue);
  }

  async #subscribe(socket: FeedSocket, { ids, queue }: Extract<ReadMessage, { ok: true }>): Promise<void> {
    const { reader } = this;
    const deadline = deadlineOf(reader.ports);
    const wanted = new Set<TaskId>();
    // Where the Directory does not answer, a thousand ids do not wait for it one after the other.
    let silence: Fault | null = null;
    for (const [i, id] of ids.entries()) {
      const fault: Fault | null = silence ?? (await this.#faultOfTask(id, deadline));
      if (fault && fault.code !== "task-unknown") silence = fault;
      if (fault) tell(socket, { event: "error", ...fault, pointer: `/subscribe/ids/${i}`, id });
      else wanted.add(id as TaskId);
    }
    const fault = queue === null ? null : await this.#faultOfQueue(queue, deadline);
    if (fault) tell(socket, { event: "error", ...fault, pointer: "/subscribe/queue" });
    // It may have gone while the Directory was asked.
    if (!this.#sockets.has(socket)) return;
    const queues = queue === null || fault ? [] : [queue as QueueName];
    const refused = this.#attach(socket, wanted, queues);
    if (refused) {
      tell(socket, refused);
      return;
    }
    for (const id of wanted) this.#watchTask(socket, id);
    for (const name of queues) this.#watchQueue(socket, name);
  }

  #unsubscribe(socket: FeedSocket, { ids, queue }: Extract<ReadMessage, { ok: true }>): void {
    for (const id of ids as readonly TaskId[]) {
      drop(this.tasks, id, socket);
      this.#of(socket).ids.delete(id);
    }
    if (queue !== null) {
      drop(this.queues, queue as QueueName, socket);
      this.#of(socket).queues.delete(queue as QueueName);
    }
    socket.attach(pack(this.#of(socket)));
  }

  /** All of a message counts, or none of it. @returns why none does */
  #attach(socket: FeedSocket, wanted: ReadonlySet<TaskId>, queues: readonly QueueName[]): FeedError | null {
    const own = this.#of(socket);
    const next = { ids: new Set([...own.ids, ...wanted]), queues: new Set([...own.queues, ...queues]) };
    const tooMany = (pointer: string, detail: string): FeedError => ({
      ...{ event: "error", code: "invalid-request", pointer, detail },
    });
    if (next.ids.size > MAX_SOCKET_TASKS)
      return tooMany("/subscribe/ids", `A socket watches ${MAX_SOCKET_TASKS} tasks at most; it has ${own.ids.size}.`);
    if (next.queues.size > MAX_SOCKET_QUEUES)
      return tooMany("/subscribe/queue", `A socket watches ${MAX_SOCKET_QUEUES} queues at most.`);
    const added = [...wanted].filter((id) => !this.tasks.has(id)).length;
    if (this.tasks.size + added > MAX_FEED_TASKS)
      return { event: "error", code: "overloaded", detail: `${MAX_FEED_TASKS} tasks are watched; try again later.` };
    if (!socket.attach(pack(next)))
      return tooMany("/subscribe/ids", "These are of more shards than one socket can watch; open another.");
    return null;
  }

  #watchTask(socket: FeedSocket, id: TaskId): void {
    const parsed = parseTaskId(id);
    if (!parsed) return;
    const { queue, shard, seq } = parsed;
    const at = { tenant: this.tenant, queue, shard };
    const task = this.tasks.get(id) ?? { at, seq, mark: null, text: null, wasAsked: false, sockets: new Set() };
    this.tasks.set(id, task);
    this.#of(socket).ids.add(id);
    this.#add(socket, task);
  }

  #watchQueue(socket: FeedSocket, queue: QueueName): void {
    const watched = this.queues.get(queue) ?? { text: null, wasAsked: false, sockets: new Set() };
    this.queues.set(queue, watched);
    this.#of(socket).queues.add(queue);
    this.#add(socket, watched);
  }

  /** What is known is told at once. */
  #add(socket: FeedSocket, watched: Watched): void {
    watched.sockets.add(socket);
    if (watched.text !== null) socket.send(watched.text);
    else this.#pollSoon();
  }

  #forget(socket: FeedSocket, kind: "ids" | "queues", name: string): void {
    const own = this.#of(socket);
    (own[kind] as Set<string>).delete(name);
    socket.attach(pack(own));
  }

  #of(socket: FeedSocket): Subscriptions {
    return this.#sockets.get(socket) ?? { ids: new Set(), queues: new Set() };
  }

  async #faultOfTask(id: string, deadline: number): Promise<Fault | null> {
    const unknown = { code: "task-unknown", detail: `There is no task ${id}.` } as const;
    const parsed = parseTaskId(id);
    if (!parsed) return unknown;
    return await faultIf(async () =>
      (await knownPlace(this.reader, this.tenant, parsed, deadline)) === null ? unknown : null,
    );
  }

  async #faultOfQueue(queue: string, deadline: number): Promise<Fault | null> {
    const unknown = { code: "queue-unknown", detail: `There is no queue ${queue}.` } as const;
    return await faultIf(async () =>
      (await this.reader.known.queue(queue as QueueName, false, deadline)) === null ? unknown : null,
    );
  }
}

export function tell(socket: FeedSocket, event: FeedEvent): void {
  socket.send(JSON.stringify(event));
}

type Fault = Pick<FeedError, "code" | "detail">;

/** What a look at the Directory finds wrong, or that it did not answer. */
async function faultIf(look: () => Promise<Fault | null>): Promise<Fault | null> {
  try {
    return await look();
  } catch (thrown) {
    if (thrown instanceof Problem) return { code: thrown.code, detail: thrown.detail };
    throw thrown;
  }
}

function drop<K>(all: Map<K, Watched>, key: K, socket: FeedSocket): void {
  const watched = all.get(key);
  watched?.sockets.delete(socket);
  if (watched?.sockets.size === 0) all.delete(key);
}
