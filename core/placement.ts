/**
 * Which shard of a queue a task goes to. Unkeyed tasks spread at random below `shards`, so raising or lowering `shards`
 * moves only those; keyed ones go to `hash(key) % keyShards`, fixed when the queue is made.
 * Must stay true: the hash never changes, or a key's tasks would be at two shards; both counts number the same objects.
 */
import type { QueueSettings } from "./schema/queue-settings.ts";
import type { NewTask } from "./schema/rpc.ts";

/** What may tie tasks to one shard. */
export interface PlacementKeys {
  readonly limitKey?: string;
  readonly unique?: string;
  readonly idempotencyKey?: string;
  readonly schedule?: string;
  readonly run?: string;
  /** Of a result that may be kept: a task is found there, but is not lost elsewhere. */
  readonly cache?: string;
}

/** The key that decides, in the order in which the fields stand above, with its kind; null: the task is unkeyed. */
export function placementKey(keys: PlacementKeys): string | null {
  const { limitKey, unique, idempotencyKey, schedule, run, cache } = keys;
  return limitKey ?? unique ?? idempotencyKey ?? schedule ?? run ?? cache ?? null;
}

/**
 * 32 bits of a string: FNV-1a over its UTF-16 units, low byte first, then MurmurHash3's finalizer, because the lowest
 * bit of FNV-1a is no more than the parity of its input and `% 2` would see nothing else.
 * Sources: Fowler, Noll, Vo (draft-eastlake-fnv, 32 bits); Appleby, MurmurHash3 `fmix32`.
 */
export function hashKey(key: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) {
    const unit = key.charCodeAt(i);
    hash = Math.imul(hash ^ (unit & 0xff), 0x01000193);
    hash = Math.imul(hash ^ (unit >>> 8), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/**
 * The shard of a task.
 * @param key from {@link placementKey}
 * @param random a draw from [0, 1), used by unkeyed tasks alone
 */
export function placeTask(
  settings: Pick<QueueSettings, "shards" | "keyShards">,
  key: string | null,
  random: number,
): number {
  return key === null ? Math.floor(random * settings.shards) : hashKey(key) % settings.keyShards;
}

/**
 * The one shard that tasks which go together must go to: by their own keys, else by the Idempotency-Key that they came
 * under; null: any will do.
 * @returns also the index of the first task whose key names another shard than one before it; null: they agree
 */
export function namedShard(
  settings: Pick<QueueSettings, "shards" | "keyShards">,
  tasks: readonly Pick<NewTask, "dedup" | "limitKey">[],
  idempotencyKey?: string,
): { readonly shard: number | null; readonly astray: number | null } {
  let shard: number | null = null;
  for (const [index, { dedup, limitKey }] of tasks.entries()) {
    if (dedup === undefined && limitKey === undefined) continue;
    const key = placementKey({
      ...(limitKey !== undefined && { limitKey }),
      ...(dedup !== undefined && { unique: dedup.key }),
    });
    const named = placeTask(settings, key, 0);
    shard ??= named;
    if (named !== shard) return { shard, astray: index };
  }
  if (shard === null && idempotencyKey !== undefined)
    return { shard: placeTask(settings, placementKey({ idempotencyKey }), 0), astray: null };
  return { shard, astray: null };
}

type Cached = Pick<NewTask, "cache">;

/** Where a result that is kept for the task would be; null: nowhere. */
function cacheShard(settings: Pick<QueueSettings, "shards" | "keyShards">, { cache }: Cached): number | null {
  return cache === undefined ? null : placeTask(settings, placementKey({ cache: cache.key }), 0);
}

/** The shard that is best for tasks which may go anywhere: where the first of them that is cached has its result. */
export function bestShard(
  settings: Pick<QueueSettings, "shards" | "keyShards">,
  tasks: readonly Cached[],
): number | null {
  const cached = tasks.find(({ cache }) => cache !== undefined);
  return cached ? cacheShard(settings, cached) : null;
}

/**
 * The tasks as they are sent to `shard`: one whose result would be at another runs without the cache, because nobody
 * would look for it here, and it may find here what has been driven out there.
 */
export function withoutStrays(
  settings: Pick<QueueSettings, "shards" | "keyShards">,
  tasks: readonly NewTask[],
  shard: number,
): readonly NewTask[] {
  const strays = (task: NewTask) => task.cache !== undefined && cacheShard(settings, task) !== shard;
  if (!tasks.some(strays)) return tasks;
  return tasks.map((task) => {
    if (!strays(task)) return task;
    const { cache: _, ...plain } = task;
    return plain;
  });
}

/** Another shard than the one that was full, for an unkeyed task's second and last try; null where there is none. */
export function anotherShard(settings: Pick<QueueSettings, "shards">, full: number, random: number): number | null {
  if (settings.shards < 2) return null;
  return (full + 1 + Math.floor(random * (settings.shards - 1))) % settings.shards;
}
