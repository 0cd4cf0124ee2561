/**
 * Forgets what the shard keeps of a type's results. Tasks that were submitted before, and succeed later, keep none
 * either: what they read may be what the purge was for.
 */
import type { Versioned } from "../../../core/schema/answer.ts";
import type { PurgeCacheAnswer } from "../../../core/schema/cache-rpc.ts";
import { afterOperation } from "../after.ts";
import type { Shard } from "../shard.ts";
import { forgetResultsOfType, markPurged } from "./cache-rows.ts";

export function purgeCache(shard: Shard, { type }: Versioned & { readonly type: string }): PurgeCacheAnswer {
  if (!shard.memory.hasTables) return { v: 1, ok: true, purged: 0 };
  const purged = shard.transact(() => {
    markPurged(shard, type, shard.memory.lastSeq);
    return forgetResultsOfType(shard, type);
  });
  afterOperation(shard, shard.ports.now());
  return { v: 1, ok: true, purged };
}
