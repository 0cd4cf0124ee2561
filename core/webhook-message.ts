/** What a webhook is sent, as Standard Webhooks 1.0 has it: the body, frozen when it is made, and the headers of an attempt. */
import { exceedsBytes, KIB } from "./bytes.ts";
import { type QueueName, type Seq, type ShardAddress, taskId } from "./ids.ts";
import type { TaskRecord } from "./task.ts";
import { iso, publicError } from "./task.ts";
import { keyOf } from "./webhook-secrets.ts";

/** The largest result (UTF-8 bytes of JSON) that is sent along; a larger one is read by the task's id. */
export const MAX_SENT_RESULT_BYTES = 16 * KIB;

export interface WebhookMessage {
  readonly url: string;
  /** `webhook-id`: the same in every attempt. */
  readonly id: string;
  /** Unix seconds of the attempt. */
  readonly timestamp: number;
  /** JSON text. */
  readonly body: string;
  /** `whsec_…`; one signature each. */
  readonly secrets: readonly string[];
}

/** JSON text that tells of a task's end. */
export function finishedBody(at: Pick<ShardAddress, "queue" | "shard">, record: TaskRecord): string {
  const { type, status, tags, createdAt, error, result, attempts, attemptsDropped } = record;
  const endedAt = iso(record.endedAt ?? createdAt);
  const isSent = result !== null && !exceedsBytes(result, MAX_SENT_RESULT_BYTES);
  const data = JSON.stringify({
    id: taskId(at, record.seq),
    queue: at.queue,
    type,
    status,
    tags,
    createdAt: iso(createdAt),
    endedAt,
    attempts: attempts.length + attemptsDropped,
    ...(error !== null && { error: publicError(error) }),
    ...(result !== null && !isSent && { resultOmitted: true }),
  });
  // The result is JSON text already: put in as it is, it is neither read nor written a second time.
  const whole = isSent ? `${data.slice(0, -1)},"result":${result}}` : data;
  return `{"type":"task.finished","timestamp":${JSON.stringify(endedAt)},"data":${whole}}`;
}

/** JSON text that tells of nothing, but that it can be told. @param now Unix ms */
export function pingBody(queue: QueueName, webhook: string, now: number): string {
  return JSON.stringify({ type: "ping", timestamp: iso(now), data: { webhook, queue } });
}

const PREFIX = "msg_";

/** It names its queue and shard, as a task's id does. */
export function deliveryId(at: Pick<ShardAddress, "queue" | "shard">, n: Seq): string {
  return PREFIX + taskId(at, n);
}

/** The place that an id names, as a task's id would; "" where it cannot be one. */
export function placeOfDelivery(id: string): string {
  return id.startsWith(PREFIX) ? id.slice(PREFIX.length) : "";
}

/** The headers of a signed message: one signature for each secret, so that a secret can be changed without a gap. */
export async function signedHeaders({ id, timestamp, body, secrets }: WebhookMessage): Promise<Record<string, string>> {
  const signatures = await Promise.all(secrets.map((secret) => sign(secret, `${id}.${timestamp}.${body}`)));
  return {
    "content-type": "application/json",
    "user-agent": "Sluice-Webhooks/1",
    "webhook-id": id,
    "webhook-timestamp": String(timestamp),
    "webhook-signature": signatures.map((signature) => `v1,${signature}`).join(" "),
  };
}

const utf8 = new TextEncoder();

async function sign(secret: string, text: string): Promise<string> {
  const key = await crypto.subtle.importKey("raw", keyOf(secret), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const bytes = new Uint8Array(await crypto.subtle.sign("HMAC", key, utf8.encode(text)));
  return btoa(String.fromCharCode(...bytes));
}
