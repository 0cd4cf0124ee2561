/**
 * Submissions that end at once by the result of an equal task. What is looked up is read once a group, and no more than
 * 8 MiB of results is copied for one: beyond that tasks run, as if nothing were kept.
 */
import { MAX_ANSWER_BYTES } from "../../../core/bytes.ts";
import { isFresh } from "../../../core/cache.ts";
import { type Seq, type TaskId, taskId } from "../../../core/ids.ts";
import type { NewTask } from "../../../core/schema/rpc.ts";
import { bornAs } from "../../../core/submit-answer.ts";
import { NO_PAYLOAD, type TaskRecord } from "../../../core/task.ts";
import { endTasks } from "../ended/end-tasks.ts";
import type { Shard, Submitted } from "../shard.ts";
import { NO_OPTIONS, toldOf } from "../task-rows.ts";
import { type CacheHead, findHeads, idOf, resultOf } from "./cache-rows.ts";

/** What answers a task. */
export interface CacheHit {
  readonly source: TaskId;
  /** JSON text. */
  readonly result: string;
}

/** A task that ends as it comes. */
export interface CachedTask {
  readonly seq: Seq;
  readonly task: NewTask;
  readonly hit: CacheHit;
}

export class CacheLookup {
  readonly #shard: Shard;
  readonly #now: number;
  readonly #heads: ReadonlyMap<number, CacheHead>;
  readonly #results = new Map<string, string>();
  #budget = MAX_ANSWER_BYTES;

  private constructor(shard: Shard, heads: ReadonlyMap<number, CacheHead>, now: number) {
    this.#shard = shard;
    this.#heads = heads;
    this.#now = now;
  }

  /** null where nothing that the group brings could be answered. */
  static of(shard: Shard, group: readonly Submitted[], now: number): CacheLookup | null {
    if (shard.memory.cache.rows === 0) return null;
    const keys = new Set<string>();
    for (const { request } of group) for (const { cache } of request.tasks) if (cache?.read) keys.add(cache.key);
    if (keys.size === 0) return null;
    const heads = findHeads(shard, [...keys]);
    return heads.size === 0 ? null : new CacheLookup(shard, heads, now);
  }

  /** A task that is put off runs when it is due: what is known now may not be what holds then. */
  find(task: NewTask): CacheHit | null {
    const head = task.cache?.read ? this.#heads.get(idOf(task.cache.key)) : undefined;
    if (!head || !task.cache || !isFresh(head, task.cache, this.#now)) return null;
    if (bornAs(task, this.#now) !== "QUEUED" || head.bytes > this.#budget) return null;
    this.#budget -= head.bytes;
    const result = this.#results.get(head.key) ?? resultOf(this.#shard, head);
    this.#results.set(head.key, result);
    return { source: taskId(this.#shard.address, head.seq), result };
  }
}

/** Writes tasks that have ended as they came: their records, and nothing else. Inside a transaction. */
export function recordCached(shard: Shard, cached: readonly CachedTask[], now: number): void {
  if (cached.length === 0) return;
  const defaultTtl = shard.memory.settings?.resultTtlSeconds ?? 0;
  endTasks(
    shard,
    cached.map((one) => recordOf(one, defaultTtl, now)),
    now,
  );
}

function recordOf({ seq, task, hit }: CachedTask, defaultTtl: number, now: number): TaskRecord {
  const { options, limitKey = null, fairnessKey = null } = task;
  const told = toldOf({ options, limit_key: limitKey, fairness_key: fairnessKey });
  const { resultTtlSeconds = defaultTtl, keepPayload } = told.options ?? NO_OPTIONS;
  return {
    ...told,
    seq,
    rev: 1,
    status: "SUCCEEDED",
    type: task.type,
    version: task.version,
    priority: task.priority,
    payload: keepPayload === false ? NO_PAYLOAD : task.payload,
    createdAt: now,
    runAt: null,
    endedAt: now,
    attempts: [],
    attemptsDropped: 0,
    crashes: 0,
    moves: [],
    result: hit.result,
    resultExpiresAt: now + resultTtlSeconds * 1000,
    error: null,
    progress: null,
    links: { ...told.links, cachedFrom: hit.source },
  };
}
