/** A queue's webhooks as the Directory keeps them. Their shards' copies come with the queue's settings (queue-entry.ts). */
import type { QueueName } from "../../../core/ids.ts";
import type { WebhookRecord, WebhookSecret } from "../../../core/schema/webhooks-rpc.ts";
import type { FinishedStatus } from "../../../core/status.ts";
import type { DirectoryState } from "../state.ts";

const COLUMNS = "id, queue, url, events, description, disabled, disabled_reason, secrets, created_at, updated_at";
const FIND = `SELECT ${COLUMNS} FROM webhook WHERE id = ?`;
const LIST = `SELECT ${COLUMNS} FROM webhook WHERE id > ?1 AND (?2 IS NULL OR queue = ?2) ORDER BY id LIMIT ?3`;
const COUNT = "SELECT count(*) AS count FROM webhook WHERE queue = ?";
const FIND_TO = "SELECT id FROM webhook WHERE queue = ? AND url = ? AND id <> ? LIMIT 1";
const SAVE = `INSERT OR REPLACE INTO webhook (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;
const DELETE = "DELETE FROM webhook WHERE id = ?";
const DELETE_OF = "DELETE FROM webhook WHERE queue = ? RETURNING id";

interface WebhookRow {
  readonly id: string;
  readonly queue: QueueName;
  readonly url: string;
  readonly events: string | null;
  readonly description: string | null;
  readonly disabled: 0 | 1;
  readonly disabled_reason: string | null;
  readonly secrets: string;
  readonly created_at: number;
  readonly updated_at: number;
}

/** With its secrets, which are told apart. */
export interface KeptWebhook {
  readonly webhook: WebhookRecord;
  readonly secrets: readonly WebhookSecret[];
}

export function findWebhook(state: DirectoryState, id: string): KeptWebhook | null {
  const [row] = state.sql.all<WebhookRow>(FIND, id);
  return row ? toKept(row) : null;
}

/** By id, those after one; of one queue or (null) of all. */
export function webhooksAfter(
  state: DirectoryState,
  after: string,
  queue: QueueName | null,
  limit: number,
): WebhookRecord[] {
  return state.sql.all<WebhookRow>(LIST, after, queue, limit).map((row) => toKept(row).webhook);
}

/** Another one of the queue with that url. */
export function findWebhookTo(state: DirectoryState, queue: QueueName, url: string, otherThan: string): string | null {
  return state.sql.all<{ id: string }>(FIND_TO, queue, url, otherThan)[0]?.id ?? null;
}

export function countWebhooks(state: DirectoryState, queue: QueueName): number {
  return state.sql.all<{ count: number }>(COUNT, queue)[0]?.count ?? 0;
}

/** Inside a transaction. */
export function saveWebhook(state: DirectoryState, { webhook, secrets }: KeptWebhook): void {
  const { id, queue, url, events, description, disabled, disabledReason, createdAt, updatedAt } = webhook;
  const kept = [events && JSON.stringify(events), description, disabled ? 1 : 0, disabledReason] as const;
  state.sql.run(SAVE, id, queue, url, ...kept, JSON.stringify(secrets), createdAt, updatedAt);
}

/** Inside a transaction. */
export function removeWebhook(state: DirectoryState, id: string): void {
  state.sql.run(DELETE, id);
}

/** Inside a transaction. @returns their ids */
export function removeWebhooksOf(state: DirectoryState, queue: QueueName): string[] {
  return state.sql.all<{ id: string }>(DELETE_OF, queue).map(({ id }) => id);
}

function toKept(row: WebhookRow): KeptWebhook {
  return {
    webhook: {
      id: row.id,
      queue: row.queue,
      url: row.url,
      events: row.events === null ? null : (JSON.parse(row.events) as FinishedStatus[]),
      description: row.description,
      disabled: row.disabled === 1,
      disabledReason: row.disabled_reason,
      createdAt: row.created_at,
      updatedAt: row.updated_at,
    },
    secrets: JSON.parse(row.secrets) as WebhookSecret[],
  };
}
