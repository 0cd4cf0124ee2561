/**
 * What crosses about webhooks: between door and Directory (which are there), in a queue's settings (so that its shards
 * can write and sign), and between door and shards (deliveries). Times are Unix ms.
 */
import type { QueueName, Seq } from "../ids.ts";
import type { FinishedStatus } from "../status.ts";
import type { Answer, Keyed, Replayed, Versioned } from "./answer.ts";

/** Text as Standard Webhooks has it: `whsec_` and base64. */
export interface WebhookSecret {
  readonly secret: string;
  /** It was replaced, and signs besides until then; null: the one that counts. */
  readonly until: number | null;
}

/** A webhook as a shard knows it. */
export interface Hook {
  readonly id: string;
  readonly url: string;
  /** null: all. */
  readonly events: readonly FinishedStatus[] | null;
  readonly disabled: boolean;
  readonly secrets: readonly WebhookSecret[];
}

/** The part of a queue's settings that no answer shows. */
export interface Hooks {
  /** Of the tenant, for tasks' own callbacks. Empty: not made yet, so nothing is sent until it is. */
  readonly signing: readonly WebhookSecret[];
  readonly webhooks: readonly Hook[];
}

// ---------------------------------------------------------------------------------------------- Directory

export interface WebhookRecord extends Omit<Hook, "secrets"> {
  readonly queue: QueueName;
  readonly description: string | null;
  /** Why it was disabled, where nobody here did that. */
  readonly disabledReason: string | null;
  readonly createdAt: number;
  readonly updatedAt: number;
}

export interface WebhookChanges {
  readonly url?: string;
  readonly events?: readonly FinishedStatus[] | null;
  readonly description?: string | null;
  readonly disabled?: boolean;
}

interface ById extends Versioned {
  readonly id: string;
}
/** How many of the queue's shards have taken the change; the rest are asked again every 2 s. */
export interface Told {
  readonly shards: { readonly asked: number; readonly answered: number };
}
export type WebhookAnswer = Answer<{ readonly webhook: WebhookRecord } & Told>;
export type SecretsAnswer = Answer<{ readonly secrets: readonly WebhookSecret[] } & Replayed>;

/** Refused everywhere: 404 `webhook-unknown`. */
export interface WebhooksRpc {
  /** 404 `queue-unknown`, 422 where the queue has as many as it may, 409 `webhook-exists` where one has that url. */
  createWebhook(
    request: Versioned & Keyed & { readonly queue: QueueName; readonly url: string } & WebhookChanges,
  ): Promise<Answer<{ readonly webhook: WebhookRecord; readonly secret: string } & Told & Replayed>>;
  getWebhook(request: ById): Promise<Answer<{ readonly webhook: WebhookRecord }>>;
  /** By id, of one queue or (null) of all. `next` null: that was the last. */
  listWebhooks(
    request: Versioned & { readonly queue: QueueName | null; readonly after: string | null; readonly limit: number },
  ): Promise<Answer<{ readonly webhooks: readonly WebhookRecord[]; readonly next: string | null }>>;
  changeWebhook(request: ById & { readonly changes: WebhookChanges }): Promise<WebhookAnswer>;
  deleteWebhook(request: ById): Promise<Answer<object>>;
  /** A shard was answered 410. Nothing changes where it is disabled already. */
  webhookGone(request: ById): Promise<Answer<object>>;
  /** Of a webhook, or (id null) of the tenant's callbacks; the one that counts first. */
  webhookSecrets(
    request: Versioned & Keyed & { readonly id: string | null; readonly rotate: boolean },
  ): Promise<SecretsAnswer>;
}

// ---------------------------------------------------------------------------------------------- shards

export type DeliveryStatus = "pending" | "delivered" | "failed";

export interface DeliveryAttempt {
  readonly at: number;
  readonly ms: number;
  /** HTTP status; null: no answer came, and `error` says why. */
  readonly status: number | null;
  readonly error?: string;
}

export interface DeliveryRecord {
  /** Its number within the shard, in order of time. */
  readonly n: Seq;
  readonly event: FinishedStatus | "ping";
  /** The task that ended; null: a ping. */
  readonly seq: Seq | null;
  /** null: the task's own callback. */
  readonly webhook: string | null;
  /** null: the webhook was deleted. */
  readonly url: string | null;
  readonly status: DeliveryStatus;
  readonly createdAt: number;
  /** The next attempt, of a pending one. */
  readonly nextAt: number | null;
  /** All of them; `attempts` has the first and the latest. */
  readonly attemptCount: number;
  readonly attempts: readonly DeliveryAttempt[];
  /** JSON text, as it is sent; null in lists. */
  readonly body: string | null;
}

export interface DeliveryFilter {
  readonly n?: Seq;
  readonly seq?: Seq;
  readonly status?: DeliveryStatus;
  readonly webhook?: string;
}

export interface ListDeliveriesRequest extends Versioned {
  readonly filter: DeliveryFilter;
  /** Those with a lower number; null: from the newest on. */
  readonly before: number | null;
  /** At most 100. */
  readonly limit: number;
  /** Bodies too; only of one. */
  readonly texts?: boolean;
}
export type DeliveryAnswer = Answer<{ readonly delivery: DeliveryRecord }>;

/** Refused: 404 `delivery-unknown`. */
export interface DeliveriesRpc {
  listDeliveries(request: ListDeliveriesRequest): Promise<Answer<{ readonly deliveries: readonly DeliveryRecord[] }>>;
  /** An attempt more, at once, under the same id; where that fails, the policy begins anew. */
  redeliver(request: Versioned & { readonly n: Seq }): Promise<DeliveryAnswer>;
  /** A delivery that tells of no task. 404 `webhook-unknown`. */
  pingWebhook(request: Versioned & { readonly webhook: string }): Promise<DeliveryAnswer>;
}
