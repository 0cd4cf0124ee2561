/** A queue as the Directory knows it: found, made, changed. The shards hold copies of its settings. */
import { DEFAULT_QUEUE, type QueueName, type ShardAddress, type TenantName } from "../../../core/ids.ts";
import type { QueueEntry } from "../../../core/schema/directory-rpc.ts";
import { DEFAULT_SETTINGS, type QueueSettings } from "../../../core/schema/queue-settings.ts";
import type { Hook, WebhookSecret } from "../../../core/schema/webhooks-rpc.ts";
import { noteEvent } from "../note-event.ts";
import { ensureSigning } from "../signing-secrets.ts";
import type { DirectoryState } from "../state.ts";

const COLUMNS = `name, settings, shards_ever, created_at, (SELECT signing FROM directory) AS signing,
  (SELECT json_group_array(json_array(id, url, json(events), disabled, json(secrets))) FROM webhook
    WHERE webhook.queue = queue.name) AS webhooks`;
const FIND = `SELECT ${COLUMNS} FROM queue WHERE name = ?`;
const LIST = `SELECT ${COLUMNS} FROM queue ORDER BY name`;
const ANY = "SELECT 1 AS one FROM queue LIMIT 1";
const SHORT_LEASES = `SELECT name FROM queue WHERE json_extract(settings, '$.leaseMs') <= ?1
  AND coalesce(json_extract(settings, '$.deleted'), 0) = 0 ORDER BY name LIMIT ?2`;
const IS_ROUTED = "SELECT 1 AS one FROM route WHERE queue = ? LIMIT 1";
const LOOK = "INSERT INTO scaling (queue, look_at) VALUES (?1, ?2) ON CONFLICT (queue) DO NOTHING";
const NO_LOOK = "DELETE FROM scaling WHERE queue = ?";
const SAVE = `INSERT INTO queue (name, settings, shards_ever, created_at) VALUES (?1, ?2, ?3, ?4)
  ON CONFLICT (name) DO UPDATE SET settings = ?2, shards_ever = max(shards_ever, ?3), created_at = ?4`;

interface QueueRow {
  readonly name: QueueName;
  readonly settings: string;
  readonly shards_ever: number;
  readonly created_at: number;
  readonly signing: string | null;
  /** JSON text of {@link StoredHook}s. */
  readonly webhooks: string;
}

type StoredHook = readonly [
  id: string,
  url: string,
  events: Hook["events"],
  disabled: 0 | 1,
  secrets: readonly WebhookSecret[],
];

export function findQueue(state: DirectoryState, name: QueueName): QueueEntry | null {
  const kept = findKept(state, name);
  return kept?.settings.deleted ? null : kept;
}

/** A queue, or what is left of one that was deleted. */
export function findKept(state: DirectoryState, name: QueueName): QueueEntry | null {
  const [row] = state.sql.all<QueueRow>(FIND, name);
  return row ? toEntry(row) : null;
}

export function allQueues(state: DirectoryState): QueueEntry[] {
  return state.sql
    .all<QueueRow>(LIST)
    .map(toEntry)
    .filter(({ settings }) => !settings.deleted);
}

/** Names of queues whose leaseMs is at most that, the first `limit`. */
export function queuesWithLeaseTo(state: DirectoryState, leaseMs: number, limit: number): QueueName[] {
  return state.sql.all<{ name: QueueName }>(SHORT_LEASES, leaseMs, limit).map(({ name }) => name);
}

/** Every object that a queue ever had, of all queues. */
export function allShards(state: DirectoryState): ShardAddress[] {
  return allQueues(state).flatMap((entry) => shardsOf(state, entry));
}

/** Every object that a queue ever had. */
export function shardsOf(state: DirectoryState, { queue, shardsEver }: QueueEntry): ShardAddress[] {
  return Array.from({ length: shardsEver }, (_, shard) => addressOf(state, queue, shard));
}

export function addressOf(state: DirectoryState, queue: QueueName, shard: number): ShardAddress {
  return { tenant: state.name as TenantName, queue, shard };
}

/** Whether a first submission may make the queue: `default`, and any that a type is routed to. */
export function comesByItself(state: DirectoryState, name: QueueName): boolean {
  return name === DEFAULT_QUEUE || state.sql.all(IS_ROUTED, name).length > 0;
}

/** Finds a queue, or makes it with default settings where it comes by itself. Inside a transaction. */
export function findOrMakeQueue(state: DirectoryState, name: QueueName): QueueEntry | null {
  const found = findQueue(state, name);
  if (found || !comesByItself(state, name)) return found;
  return makeQueue(state, name, DEFAULT_SETTINGS);
}

/**
 * Inside a transaction. Needs no push: a shard asks for settings that it has not. One that was deleted goes on where its
 * numbers ended, so that its shards know the new settings for newer, and forget what they may still hold.
 */
export function makeQueue(state: DirectoryState, name: QueueName, settings: QueueSettings): QueueEntry {
  noteEvent(state, "queue-created", name, name);
  // With the first one; a tenant that had others before there were secrets gets it, and its shards, by the tick.
  if (state.sql.all(ANY).length === 0) ensureSigning(state);
  const left = findKept(state, name)?.settings;
  const fresh = left ? { ...settings, version: left.version + 1, generation: left.generation + 1 } : settings;
  return saveQueue(state, name, fresh, state.ports.now());
}

/** Inside a transaction. `createdAt` counts for a new queue alone, or one that is made again. */
export function saveQueue(
  state: DirectoryState,
  name: QueueName,
  settings: QueueSettings,
  createdAt: number,
): QueueEntry {
  // What its shards are told of webhooks stands in tables of its own.
  const { hooks: _, ...kept } = settings;
  state.sql.run(SAVE, name, JSON.stringify(kept), Math.max(settings.shards, settings.keyShards), createdAt);
  if (settings.autoscale && !settings.deleted) state.sql.run(LOOK, name, state.ports.now());
  else state.sql.run(NO_LOOK, name);
  const saved = findKept(state, name);
  if (!saved) throw new Error(`queue ${name} was saved and is not there`);
  return saved;
}

/** Its settings again, newer: to be pushed for what they bring along. Inside a transaction. */
export function renewQueue(state: DirectoryState, { queue, settings, createdAt }: QueueEntry): QueueEntry {
  return saveQueue(state, queue, { ...settings, version: settings.version + 1 }, createdAt);
}

/** Settings that were kept before a field existed get its default. */
function toEntry(row: QueueRow): QueueEntry {
  const kept = JSON.parse(row.settings) as QueueSettings;
  const webhooks = (JSON.parse(row.webhooks) as StoredHook[]).map(([id, url, events, disabled, secrets]): Hook => {
    return { id, url, events, disabled: disabled === 1, secrets };
  });
  const signing = row.signing === null ? [] : (JSON.parse(row.signing) as WebhookSecret[]);
  return {
    queue: row.name,
    settings: { ...DEFAULT_SETTINGS, ...kept, hooks: { signing, webhooks } },
    shardsEver: row.shards_ever,
    createdAt: row.created_at,
  };
}
