/**
 * Tells of deliveries that failed for good: the log each of them, the Directory what an operator should know, in the
 * background and no more than once in ten minutes a webhook. That a receiver is gone (410) is told each time, until it
 * sends no more: were the call lost, the next 410 would tell it again.
 */
import { GONE } from "../../../core/delivery-policy.ts";
import { taskId } from "../../../core/ids.ts";
import type { DeliveryAttempt } from "../../../core/schema/webhooks-rpc.ts";
import type { WebhookMessage } from "../../../core/webhook-message.ts";
import { callWithin, directoryOf } from "../../stubs.ts";
import type { Shard } from "../shard.ts";
import type { DeliveryRow } from "./delivery-rows.ts";

const REPORT_EVERY_MS = 600_000;
const WITHIN_MS = 2_000;

export function reportFailure(
  shard: Shard,
  { webhook, seq }: DeliveryRow,
  { id, url }: WebhookMessage,
  { status, error }: DeliveryAttempt,
): void {
  const { address, host, name, outbound, ports } = shard;
  const reason = error ?? `answered ${status}`;
  const task = seq === null ? undefined : taskId(address, seq);
  ports.log("warn", "delivery-failed", { object: name, delivery: id, taskId: task, webhook, detail: reason });
  if (webhook === null) return;
  // Asked for inside the call, where what it throws is an answer.
  const directory = () => directoryOf(ports, address.tenant);
  if (status === GONE) {
    host.keepAlive(callWithin(ports, WITHIN_MS, () => directory().webhookGone({ v: 1, id: webhook })));
    return;
  }
  const now = ports.now();
  if (now - (outbound.reportedAt.get(webhook) ?? Number.NEGATIVE_INFINITY) < REPORT_EVERY_MS) return;
  outbound.reportedAt.set(webhook, now);
  const detail = `${webhook} of ${address.queue}, ${originOf(url)}: ${id} was not taken, ${reason}`;
  const event = { kind: "webhook-failed", detail, queue: address.queue } as const;
  host.keepAlive(callWithin(ports, WITHIN_MS, () => directory().report({ v: 1, event })));
}

/** A path may hold what an event should not. */
function originOf(url: string): string {
  return new URL(url).origin;
}
