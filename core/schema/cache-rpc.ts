/** What a submission tells of the result cache, and what a shard is asked of it. */
import type { Answer, Versioned } from "./answer.ts";

/** Under which key a task's result is kept, and for how long from its success on. */
export interface CachePlace {
  /** Of type, version and payload: `core/cache.ts`. */
  readonly key: string;
  readonly ttlMs: number;
}

/** What a task of a cached type has to do with the cache of its shard. */
export interface CacheUse extends CachePlace {
  /** Whether the result of an equal task will do. */
  readonly read: boolean;
}

export type PurgeCacheAnswer = Answer<{ readonly purged: number }>;

export interface CacheRpc {
  /** Forgets the results of a type. Those of tasks that were submitted before are not kept either when they come. */
  purgeCache(request: Versioned & { readonly type: string }): Promise<PurgeCacheAnswer>;
}
