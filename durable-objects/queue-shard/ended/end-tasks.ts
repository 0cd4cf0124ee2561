/**
 * Tasks have ended, however: history is given what they were, and whoever is to be told of it gets a delivery, and
 * its key is free. Every end goes through here, in the transaction that ends the task.
 */
import type { Seq } from "../../../core/ids.ts";
import type { Hook } from "../../../core/schema/webhooks-rpc.ts";
import { isFinished } from "../../../core/status.ts";
import type { TaskRecord } from "../../../core/task.ts";
import { finishedBody } from "../../../core/webhook-message.ts";
import type { Shard } from "../shard.ts";
import { releaseKeys } from "../submit/dedup-rows.ts";
import { appendDelivery, HOST } from "./delivery-rows.ts";
import { noticeEnd } from "./notices.ts";
import { appendHistory, FLUSH_DELAY_MS } from "./outbox.ts";

const NOBODY: readonly Hook[] = [];

/** Inside a transaction. @param spawned JSON text of what a task's handler spawned, by its seq */
export function endTasks(
  shard: Shard,
  records: readonly TaskRecord[],
  now: number,
  spawned?: ReadonlyMap<Seq, string>,
): void {
  appendHistory(shard, records, now);
  releaseKeys(shard, records);
  const webhooks = shard.memory.settings?.hooks?.webhooks ?? NOBODY;
  for (const record of records) {
    if (webhooks.length > 0 || record.options?.callback) tellEnd(shard, record, webhooks, now);
    const partOf = record.links?.partOf;
    if (partOf) noticeEnd(shard, record, partOf, spawned?.get(record.seq), now);
  }
}

function tellEnd(shard: Shard, record: TaskRecord, webhooks: readonly Hook[], now: number): void {
  const { options, seq, status } = record;
  if (!isFinished(status)) throw new Error(`task ${seq} is ${status}, and was told as ended`);
  const isWanted = (events: Hook["events"] | undefined) => !events || events.includes(status);
  const wanted = webhooks.filter(({ disabled, events }) => !disabled && isWanted(events));
  const own = options?.callback && isWanted(options.callback.events) ? options.callback : undefined;
  if (!own && wanted.length === 0) return;
  const body = finishedBody(shard.address, record);
  // With history's flush, so that one alarm serves both.
  const at = { createdAt: now, nextAt: now + FLUSH_DELAY_MS };
  if (own)
    appendDelivery(shard, {
      ...at,
      event: status,
      seq,
      webhook: null,
      url: own.url,
      receiver: receiverOf(own.url),
      body,
    });
  for (const { id } of wanted)
    appendDelivery(shard, { ...at, event: status, seq, webhook: id, url: null, receiver: id, body });
}

/** Tasks' own callbacks to one host wait together. */
function receiverOf(url: string): string {
  return `${HOST}${new URL(url).host}`;
}
