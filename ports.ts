/**
 * Binds `core/ports.ts` to Cloudflare: the one place of the product that reads the clock, draws at random or holds a
 * binding. A stub is made anew for each call, because one that failed fails ever after.
 */
import type { Registry } from "./consumers/handlers/compose.ts";
import { REGISTRY } from "./consumers/handlers/registry.ts";
import { shardName, type TaskId } from "./core/ids.ts";
import { createLog } from "./core/log.ts";
import { handledType } from "./core/make-task.ts";
import { type HistoryDatabase, type Ports, type SocketHost, TICKET_QUEUES, type TicketQueue } from "./core/ports.ts";
import type { DirectoryRpc } from "./core/schema/directory-rpc.ts";
import { logLevelOf } from "./core/schema/env.ts";
import type { ShardRpc } from "./core/schema/rpc.ts";
import type { Ticket } from "./core/schema/session-rpc.ts";
import type { WorkflowRpc } from "./core/schema/workflow-rpc.ts";
import { signedHeaders } from "./core/webhook-message.ts";

/** A class of objects by what is asked of it. (`DurableObjectNamespace<T>` rewrites answers: a tuple comes out as a list.) */
export interface ObjectNamespace<T> {
  getByName(name: string): T;
}

/** What `wrangler.toml` binds; core/schema/env.ts checks it. */
export interface Env {
  readonly QUEUE_SHARD: ObjectNamespace<ShardRpc>;
  readonly DIRECTORY: ObjectNamespace<DirectoryRpc>;
  readonly LIVE_FEED: ObjectNamespace<SocketHost>;
  readonly WORKFLOW_RUN: ObjectNamespace<WorkflowRpc>;
  readonly TICKETS_0: Queue<Ticket>;
  readonly TICKETS_1: Queue<Ticket>;
  readonly TICKETS_2: Queue<Ticket>;
  readonly TICKETS_3: Queue<Ticket>;
  readonly TICKETS_SOLO: Queue<Ticket>;
  readonly DEAD_LETTERS: Queue<DeadLetter>;
  readonly HISTORY_0: D1Database;
  readonly LOG_LEVEL?: string;
  readonly BODY_LIMIT?: string;
  readonly CPU_MS?: string;
  /** "1": set by the local servers alone. */
  readonly DETACH?: string;
}

/** More than one where wrangler.toml binds HISTORY_1 and up. */
interface HistoryBindings {
  readonly [name: `HISTORY_${number}`]: D1Database | undefined;
}

/** A message of the queue `dead-letters`: a task that ended FAILED. */
export interface DeadLetter {
  readonly v: 1;
  readonly id: TaskId;
}

/** The most that one call of `sendBatch` takes; 100 tickets are about 20 of its 256 KB. */
const MAX_MESSAGES = 100;

let bootId: string | null = null;

/** @param registry of the deployment's handlers; tests have more */
export function platformPorts(env: Env, registry: Registry = REGISTRY): Ports {
  const tickets: readonly Queue<Ticket>[] = [env.TICKETS_0, env.TICKETS_1, env.TICKETS_2, env.TICKETS_3];
  const databases = env as Env & HistoryBindings;
  const ticketQueue = (queue: TicketQueue): Queue<Ticket> => {
    const binding = queue === "solo" ? env.TICKETS_SOLO : tickets[queue];
    if (!binding) throw new RangeError(`there are ${TICKET_QUEUES} ticket queues, none is ${queue}`);
    return binding;
  };
  return {
    now: () => Date.now(),
    log: createLog(
      () => Date.now(),
      logLevelOf(env),
      (line) => console.log(line),
    ),
    random: () => Math.random(),
    uuid: () => crypto.randomUUID(),
    later(ms, run) {
      const timer = setTimeout(run, ms);
      return () => clearTimeout(timer);
    },
    shard: (address) => env.QUEUE_SHARD.getByName(shardName(address)),
    directory: (tenant) => env.DIRECTORY.getByName(tenant),
    liveFeed: (tenant) => env.LIVE_FEED.getByName(tenant),
    workflow: (tenant, id) => env.WORKFLOW_RUN.getByName(`${tenant}:${id}`),
    sendTickets: (queue, list) => send(ticketQueue(queue), list),
    async ticketBacklog(queue) {
      const { backlogCount } = await ticketQueue(queue).metrics();
      return backlogCount;
    },
    sendDeadLetters: (ids) =>
      send(
        env.DEAD_LETTERS,
        ids.map((id): DeadLetter => ({ v: 1, id })),
      ),
    taskType(type) {
      const handler = registry.get(type);
      return handler ? handledType(handler) : null;
    },
    async sendWebhook(message, signal) {
      const headers = await signedHeaders(message);
      const response = await fetch(message.url, {
        method: "POST",
        headers,
        body: message.body,
        redirect: "manual",
        signal,
      });
      // An unread body would hold its connection.
      await response.body?.cancel().catch(() => {});
      return response.status;
    },
    history: (database): HistoryDatabase | null => databases[`HISTORY_${database}`] ?? null,
    get boot() {
      if (env.DETACH !== "1") return null;
      // Made when first asked for: the platform gives no randomness while a script starts.
      bootId ??= crypto.randomUUID();
      return bootId;
    },
  };
}

async function send<T>(queue: Queue<T>, bodies: readonly T[]): Promise<void> {
  for (let at = 0; at < bodies.length; at += MAX_MESSAGES) {
    const part = bodies.slice(at, at + MAX_MESSAGES);
    await queue.sendBatch(part.map((body) => ({ body, contentType: "json" as const })));
  }
}
