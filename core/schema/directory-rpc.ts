/** What the Directory of a tenant is asked, and what it answers; schedules and tenants are in schedule-rpc.ts. */
import type { QueueName } from "../ids.ts";
import type { Answer, DrainAnswer, Versioned } from "./answer.ts";
import type { JobRpc } from "./bulk-rpc.ts";
import type { QueuePatch, QueueSettings } from "./queue-settings.ts";
import type { ScheduleRpc, TenantRpc } from "./schedule-rpc.ts";
import type { WebhooksRpc } from "./webhooks-rpc.ts";
import type { FiresRpc } from "./workflow-rpc.ts";

/** What the door must know of a queue to route to it. */
export interface QueueEntry {
  readonly queue: QueueName;
  readonly settings: QueueSettings;
  /** Largest number of objects that the queue ever had: ids below it may be real. */
  readonly shardsEver: number;
  /** Unix ms. */
  readonly createdAt: number;
}

export interface LookupRequest extends Versioned {
  readonly queue: QueueName | null;
  readonly type: string | null;
  /** Make the queue where it is `default` or a type is routed to it and it does not exist yet. */
  readonly create: boolean;
}

export type LookupAnswer = Answer<{
  /** Where the type is routed; null: nowhere, so `default`. */
  readonly route: QueueName | null;
  /** Of `queue`, or of the route where `queue` is null, or of `default`; null: no such queue. */
  readonly entry: QueueEntry | null;
  /** There is no such queue, and its first submission would make it. */
  readonly comes?: boolean;
  /** Whether PUT /types made the type known though no handler here has it. */
  readonly declared: boolean;
  /** As PUT /types told it; absent or null: it told nothing. */
  readonly cacheTtlSeconds?: number | null;
}>;

export interface TypeRoute {
  readonly type: string;
  /** null: nowhere, so `default`. */
  readonly queue: QueueName | null;
  /** null: as its handler says. */
  readonly cacheTtlSeconds: number | null;
}

export interface PutRouteRequest extends Versioned {
  readonly type: string;
  readonly queue: QueueName;
  /** Absent or null: as its handler says. */
  readonly cacheTtlSeconds?: number | null;
}

export interface PatchRouteRequest extends Versioned {
  readonly type: string;
  /** Absent: as it is. null: nowhere. */
  readonly queue?: QueueName | null;
  /** Absent: as it is. null: as its handler says. */
  readonly cacheTtlSeconds?: number | null;
  /** Whether the caller has a handler of it: then it need not have been PUT. */
  readonly handled: boolean;
}

export const EVENT_KINDS = [
  "dead-ticket",
  "tenant-created",
  "queue-created",
  "queue-changed",
  "queue-deleted",
  "queue-purged",
  "queue-scaled",
  "webhook-changed",
  "webhook-disabled",
  "webhook-failed",
  "fire-missed",
  "schedule-stopped",
  "job-ended",
] as const;
export type EventKind = (typeof EVENT_KINDS)[number];

export interface OperatorEvent {
  /** Unix ms. */
  readonly at: number;
  readonly kind: EventKind;
  readonly detail: string;
  /** Which one it is about; absent or null: none, or an event of an older version. */
  readonly queue?: QueueName | null;
}

export interface EventsRequest extends Versioned {
  /** Absent: whatever they are about, whatever they say. */
  readonly queue?: QueueName;
  readonly kind?: EventKind;
  /** Those before it, as `next` said; absent or null: from the newest on. */
  readonly before?: number | null;
  readonly limit?: number;
}
/** The newest first. `next`: where the list goes on; null: that was the last. */
export type EventsAnswer = Answer<{ readonly events: readonly OperatorEvent[]; readonly next: number | null }>;

export interface ChangeAnswer {
  readonly entry: QueueEntry;
  /** How many of the queue's objects have taken the change; the rest are asked again every 2 s. */
  readonly shards: { readonly asked: number; readonly answered: number };
  /** Types of `typeLimits` that PUT /types has not made known. */
  readonly undeclared?: readonly string[];
}

/** pause: nothing is handed out. drain: nothing new is taken. resume: both again. */
export type QueueAction = "pause" | "drain" | "resume";

/** The directory of a tenant, as others call it. `_root` is one too, and keeps tenants alone. */
export type ShortLeasesAnswer = Answer<{ readonly queues: readonly QueueName[] }>;

export interface DirectoryRpc extends ScheduleRpc, TenantRpc, JobRpc, WebhooksRpc, FiresRpc {
  lookup(request: LookupRequest): Promise<LookupAnswer>;
  listQueues(request: Versioned): Promise<Answer<{ readonly entries: readonly QueueEntry[] }>>;
  /** Queues whose leaseMs is at or below that, ten at most: kept since CPU_MS was lower, or made by default. */
  shortLeases(request: Versioned & { readonly leaseMs: number }): Promise<ShortLeasesAnswer>;
  /** PUT (`replace`: what is not named gets its default) and PATCH; makes the queue where `create`. */
  changeQueue(
    request: Versioned & {
      readonly queue: QueueName;
      readonly patch: QueuePatch;
      readonly replace: boolean;
      readonly create: boolean;
    },
  ): Promise<Answer<ChangeAnswer>>;
  controlQueue(
    request: Versioned & { readonly queue: QueueName; readonly action: QueueAction },
  ): Promise<Answer<ChangeAnswer>>;
  /**
   * Refused: `queue-in-use` where a type is routed to it or a schedule names it, `queue-not-empty` where it may still
   * get tasks or has some. `force`: whatever it holds is lost.
   */
  deleteQueue(request: Versioned & { readonly queue: QueueName; readonly force: boolean }): Promise<Answer<object>>;
  listRoutes(request: Versioned): Promise<Answer<{ readonly routes: readonly TypeRoute[] }>>;
  putRoute(request: PutRouteRequest): Promise<Answer<object>>;
  /** 404 `not-found` where nobody knows the type. */
  patchRoute(request: PatchRouteRequest): Promise<Answer<{ readonly route: TypeRoute }>>;
  /** 404 `not-found` where the type is routed nowhere. */
  deleteRoute(request: Versioned & { readonly type: string }): Promise<Answer<object>>;
  /** The cron trigger, each minute: re-arms, catches up, and at a local start wakes the shards. */
  tick(request: Versioned): Promise<Answer<object>>;
  /** Local shutdown, passed on to every shard. */
  drain(request: Versioned): Promise<DrainAnswer>;
  /** The latest 1,000 of each kind are kept. */
  report(request: Versioned & { readonly event: Omit<OperatorEvent, "at"> }): Promise<Answer<object>>;
  events(request: EventsRequest): Promise<EventsAnswer>;
}
