/**
 * Everything that the product asks of the world: clock, chance, other objects, queues, D1. `ports.ts` at the root
 * binds it to Cloudflare; tests bind it to the same with faults, the simulation to a world of its own. This is the one
 * seam: nothing else in the product reads a clock or draws a number.
 */

import type { RunId, ShardAddress, TaskId, TenantName } from "./ids.ts";
import type { Log } from "./log.ts";
import type { TaskType } from "./make-task.ts";
import type { DirectoryRpc } from "./schema/directory-rpc.ts";
import type { ShardRpc } from "./schema/rpc.ts";
import type { Ticket } from "./schema/session-rpc.ts";
import type { WorkflowRpc } from "./schema/workflow-rpc.ts";
import type { WebhookMessage } from "./webhook-message.ts";

/** What history asks of a database: D1's own shape, so that D1 needs no wrapping and node:sqlite a small one. */
export interface HistoryDatabase {
  prepare(statement: string): HistoryStatement;
  batch(statements: HistoryStatement[]): Promise<HistoryResult[]>;
  /** Where there are replicas: the same database, its first query answered by the primary. */
  withSession?(constraint: "first-primary"): Pick<HistoryDatabase, "prepare" | "batch">;
}
export interface HistoryStatement {
  bind(...values: (string | number | null)[]): HistoryStatement;
  run(): Promise<HistoryResult>;
}
export interface HistoryResult {
  readonly results: readonly Record<string, unknown>[];
  readonly meta: { readonly rows_written?: number; readonly rows_read?: number; readonly changes?: number };
}

export const TICKET_QUEUES = 4;
/** One of the ticket queues, or the one that runs suspects alone. */
export type TicketQueue = number | "solo";

/** What takes WebSockets: over `fetch`, since a socket cannot go with a call. */
export interface SocketHost {
  fetch(request: Request): Promise<Response>;
}

export interface Ports {
  /** Unix ms. */
  now(): number;
  /** A draw from [0, 1). */
  random(): number;
  /** A fresh unguessable name (UUID v4). */
  uuid(): string;
  /** The one log, quiet below LOG_LEVEL. */
  readonly log: Log;
  /** After `ms`; gives back what stops it. */
  later(ms: number, run: () => void): () => void;

  shard(address: ShardAddress): ShardRpc;
  directory(tenant: TenantName): DirectoryRpc;
  liveFeed(tenant: TenantName): SocketHost;
  workflow(tenant: TenantName, id: RunId): WorkflowRpc;
  sendTickets(queue: TicketQueue, tickets: readonly Ticket[]): Promise<void>;
  /** How many messages wait in a ticket queue. */
  ticketBacklog(queue: TicketQueue): Promise<number>;
  sendDeadLetters(ids: readonly TaskId[]): Promise<void>;
  /** A task type as this deployment's own handler has it; null: it has none for it. */
  taskType(type: string): TaskType | null;
  /** Signs a message and posts it. @returns the status of the answer; redirects are not followed */
  sendWebhook(message: WebhookMessage, signal: AbortSignal): Promise<number>;
  /** The history database of that number; null where none is bound. */
  history(database: number): HistoryDatabase | null;
  /** Set by local servers alone: names this run of the runtime, and switches sessions to waitUntil (design, 5.6). */
  readonly boot: string | null;
}
