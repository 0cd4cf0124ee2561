/**
 * Which tasks are of the queue as it is made now. A queue that was deleted and made again has the same name, its shards
 * the same numbers, and D1 may have rows of what was for a while, or get late ones: by this mark nobody is told of them.
 */
import type { FirstSeqAnswer, FirstSeqRequest } from "../../../core/schema/rpc.ts";
import type { Shard } from "../shard.ts";

export function firstSeq({ memory }: Shard, { generation }: FirstSeqRequest): FirstSeqAnswer {
  const { settings } = memory;
  const hasHeard = settings === null || settings.deleted || settings.generation >= generation;
  return { v: 1, ok: true, first: hasHeard ? memory.firstSeq : null };
}
