/**
 * What the isolate remembers of a tenant's queues and routes, so that the Directory is asked every 5 s and not with
 * every request: fresh 5 s; while one request asks again, the others go on with what is known; 10 minutes stale where
 * the Directory does not answer. Only what exists is remembered: a queue that was just made is known at once.
 */
import type { QueueName, ShardAddress, TenantName } from "../core/ids.ts";
import type { Log } from "../core/log.ts";
import type { Ports } from "../core/ports.ts";
import type { Answer } from "../core/schema/answer.ts";
import type { LookupAnswer, QueueEntry } from "../core/schema/directory-rpc.ts";
import { DEFAULT_SETTINGS } from "../core/schema/queue-settings.ts";
import { answered, ask, problemOf, timeLeft } from "./ask.ts";

const FRESH_MS = 5_000;
const STALE_MS = 600_000;
/** While one request asks again, or after the Directory gave no answer: the others do not ask for so long. */
const QUIET_MS = 1_000;
/** What a request that has something stale waits for the Directory. */
const LOOKUP_MS = 1_000;

interface Kept<T> {
  readonly value: T;
  /** Unix ms. */
  readonly at: number;
  quietUntil: number;
}

/** Where a type goes, and whether PUT /types made it known. */
export interface TypeRoute {
  readonly route: QueueName | null;
  readonly declared: boolean;
  /** As PUT /types told it; null: it told nothing. */
  readonly cacheTtlSeconds: number | null;
}

type Found = Extract<LookupAnswer, { ok: true }>;

export class KnownQueues {
  readonly #ports: Ports;
  readonly #tenant: TenantName;
  readonly #log: Log;
  readonly #queues = new Map<QueueName, Kept<QueueEntry>>();
  readonly #routes = new Map<string, Kept<TypeRoute>>();
  /** By shard and making of its queue. */
  readonly #firsts = new Map<string, number>();
  /** Unix ms: until then a type that is not known is not asked about, where its queue is. */
  #silentUntil = 0;

  constructor(ports: Ports, tenant: TenantName, log: Log) {
    this.#ports = ports;
    this.#tenant = tenant;
    this.#log = log;
  }

  /**
   * A queue; null where there is none.
   * @param create make it where it is `default` or a type is routed to it
   * @param deadline Unix ms
   * @throws Problem where the Directory does not answer and nothing is remembered
   */
  async queue(queue: QueueName, create: boolean, deadline: number): Promise<QueueEntry | null> {
    const kept = this.#queues.get(queue);
    if (kept !== undefined && this.#isUsable(kept)) return kept.value;
    const found = await this.#lookup({ queue, type: null, create }, kept !== undefined, deadline);
    if (found.ok) {
      if (found.entry === null) this.#queues.delete(queue);
      return found.entry;
    }
    if (kept !== undefined && this.#isBearable(kept)) return kept.value;
    throw problemOf(found);
  }

  /**
   * As {@link queue}, and makes none: one that its first submission would make is told as that would make it, with no
   * shard yet (`shardsEver` 0).
   */
  async foreseen(queue: QueueName, deadline: number): Promise<QueueEntry | null> {
    const kept = this.#queues.get(queue);
    if (kept !== undefined && this.#isUsable(kept)) return kept.value;
    const { entry, comes } = answered(await this.#lookup({ queue, type: null, create: false }, false, deadline));
    if (entry !== null || !comes) return entry;
    return { queue, settings: DEFAULT_SETTINGS, shardsEver: 0, createdAt: this.#ports.now() };
  }

  /**
   * As {@link queue}, for an id: asks again where the id's shard is beyond those that are remembered.
   * @returns null where the queue never had that shard
   */
  async queueOfShard(queue: QueueName, shard: number, deadline: number): Promise<QueueEntry | null> {
    const entry = await this.queue(queue, false, deadline);
    if (entry === null || shard < entry.shardsEver) return entry;
    const { entry: newest } = answered(await this.newest(queue, deadline));
    return newest !== null && shard < newest.shardsEver ? newest : null;
  }

  /**
   * Ids of a shard below that were given before the queue was deleted, which was made again since: nobody is told of
   * them, whatever shard and D1 still have. Infinity: the shard has not heard that it was made again. Never throws.
   */
  async firstSeq(
    at: ShardAddress,
    { settings: { generation } }: QueueEntry,
    deadline: number,
  ): Promise<Answer<{ readonly first: number }>> {
    if (generation <= DEFAULT_SETTINGS.generation) return { v: 1, ok: true, first: 0 };
    const name = `${at.queue}:${at.shard}:${generation}`;
    const kept = this.#firsts.get(name);
    if (kept !== undefined) return { v: 1, ok: true, first: kept };
    const question = { whom: `Shard ${at.shard} of ${at.queue}`, lost: "unavailable" } as const;
    const answer = await ask(this.#ports, this.#log, { ...question, ms: timeLeft(this.#ports, deadline) }, () =>
      this.#ports.shard(at).firstSeq({ v: 1, generation }),
    );
    if (!answer.ok) return answer;
    // Once it has heard, it is said once and for all.
    if (answer.first !== null) this.#firsts.set(name, answer.first);
    return { v: 1, ok: true, first: answer.first ?? Number.POSITIVE_INFINITY };
  }

  /** As the Directory has it now: a shard has said that what is remembered is over. Never throws. */
  newest(queue: QueueName, deadline: number): Promise<Answer<Found>> {
    return this.#lookup({ queue, type: null, create: false }, false, deadline);
  }

  /**
   * Where a type goes.
   * @param handled whether a handler here has it; of others only declared ones are remembered
   * @throws Problem as {@link queue}
   */
  async route(type: string, handled: boolean, deadline: number): Promise<TypeRoute> {
    const kept = this.#routes.get(type);
    if (kept !== undefined && this.#isUsable(kept)) return kept.value;
    const found = await this.#lookup({ queue: null, type, create: handled }, kept !== undefined, deadline);
    if (found.ok) {
      const value = routeOf(found);
      if (handled || found.declared || found.route !== null)
        this.#routes.set(type, { value, at: this.#ports.now(), quietUntil: 0 });
      else this.#routes.delete(type);
      return value;
    }
    if (kept !== undefined && this.#isBearable(kept)) return kept.value;
    throw problemOf(found);
  }

  /**
   * A queue, and what is told of a type that a handler here has, by one question where it takes one. A queue that is
   * remembered is answered without its type where the Directory is silent: the task is no worse for that.
   * @throws Problem as {@link queue}
   */
  async queueFor(
    queue: QueueName,
    type: string,
    deadline: number,
  ): Promise<{ readonly entry: QueueEntry | null; readonly route: TypeRoute | null }> {
    const entry = this.#queues.get(queue);
    const route = this.#routes.get(type);
    const isRouteUsable = route ? this.#isUsable(route) : this.#ports.now() < this.#silentUntil;
    // Both are looked at, so that other requests know of both that this one asks.
    if (entry !== undefined && this.#isUsable(entry) && isRouteUsable)
      return { entry: entry.value, route: route?.value ?? null };
    const found = await this.#lookup({ queue, type, create: true }, entry !== undefined, deadline);
    if (found.ok) {
      if (found.entry === null) this.#queues.delete(queue);
      this.#routes.set(type, { value: routeOf(found), at: this.#ports.now(), quietUntil: 0 });
      return { entry: found.entry, route: routeOf(found) };
    }
    this.#silentUntil = this.#ports.now() + QUIET_MS;
    if (entry !== undefined && this.#isBearable(entry)) return { entry: entry.value, route: route?.value ?? null };
    throw problemOf(found);
  }

  /** What the Directory has just said of a queue, whoever asked. */
  remember(entry: QueueEntry): void {
    const kept = this.#queues.get(entry.queue);
    if (kept !== undefined && kept.value.settings.version > entry.settings.version) return;
    this.#queues.set(entry.queue, { value: entry, at: this.#ports.now(), quietUntil: 0 });
  }

  /** It was deleted, or a shard says so: the next one asks. */
  forgetQueue(queue: QueueName): void {
    this.#queues.delete(queue);
  }

  /** A route was changed here: the next one asks. */
  forgetRoute(type: string): void {
    this.#routes.delete(type);
  }

  async #lookup(
    about: { readonly queue: QueueName | null; readonly type: string | null; readonly create: boolean },
    hasStale: boolean,
    deadline: number,
  ): Promise<Answer<Found>> {
    const ms = timeLeft(this.#ports, deadline, hasStale ? LOOKUP_MS : undefined);
    const answer = await ask<Found>(this.#ports, this.#log, { whom: "The directory", ms, lost: "unavailable" }, () =>
      this.#ports.directory(this.#tenant).lookup({ v: 1, ...about }),
    );
    if (answer.ok && answer.entry !== null) this.remember(answer.entry);
    return answer;
  }

  /** Fresh, or stale while another request is asking. A stale one that is not usable is now this request's to renew. */
  #isUsable(kept: Kept<unknown>): boolean {
    const now = this.#ports.now();
    if (now - kept.at < FRESH_MS) return true;
    if (now < kept.quietUntil && this.#isBearable(kept)) return true;
    kept.quietUntil = now + QUIET_MS;
    return false;
  }

  #isBearable(kept: Kept<unknown>): boolean {
    return this.#ports.now() - kept.at < STALE_MS;
  }
}

function routeOf({ route, declared, cacheTtlSeconds = null }: Found): TypeRoute {
  return { route, declared, cacheTtlSeconds };
}
