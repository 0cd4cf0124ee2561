/**
 * What a socket watches, as it is attached to it: 16 KiB that the platform keeps for as long as the socket is open,
 * whatever becomes of the object. A thousand ids as they are written are 30 KiB and more, so they are kept by shard, as
 * numbers.
 */
import { parseTaskId, type QueueName, type Seq, type TaskId, taskId } from "../../core/ids.ts";

export interface Attachment {
  readonly v: 1;
  /** By `{queue}.{shard}`. */
  readonly tasks: ReadonlyMap<string, Float64Array>;
  readonly queues: readonly QueueName[];
}

export interface Subscriptions {
  readonly ids: Set<TaskId>;
  readonly queues: Set<QueueName>;
}

export function pack({ ids, queues }: Subscriptions): Attachment {
  const tasks = new Map<string, Seq[]>();
  for (const id of ids) {
    const parsed = parseTaskId(id);
    if (!parsed) continue;
    const place = `${parsed.queue}.${parsed.shard}`;
    const seqs = tasks.get(place);
    if (seqs) seqs.push(parsed.seq);
    else tasks.set(place, [parsed.seq]);
  }
  return {
    v: 1,
    tasks: new Map(Array.from(tasks, ([place, seqs]) => [place, Float64Array.from(seqs)])),
    queues: [...queues],
  };
}

/** Of a socket that nothing is attached to: nothing. */
export function unpack(attachment: Attachment | null): Subscriptions {
  const ids = new Set<TaskId>();
  for (const [place, seqs] of attachment?.tasks ?? []) {
    // No queue has a dot in its name.
    const [queue = "", shard = ""] = place.split(".");
    for (const seq of seqs) ids.add(taskId({ queue: queue as QueueName, shard: Number(shard) }, seq as Seq));
  }
  return { ids, queues: new Set(attachment?.queues) };
}
