/** A shard's webhook deliveries: listed, looked at, sent again; and a ping, which is one that tells of no task. */

import type { Seq } from "../../../core/ids.ts";
import type { Answer, Versioned } from "../../../core/schema/answer.ts";
import type {
  DeliveriesRpc,
  DeliveryAnswer,
  DeliveryRecord,
  ListDeliveriesRequest,
} from "../../../core/schema/webhooks-rpc.ts";
import { deliveryId, pingBody } from "../../../core/webhook-message.ts";
import { afterOperation } from "../after.ts";
import { refuse, type Shard } from "../shard.ts";
import { appendDelivery, attemptsOf, becomePending, DELIVERY_COLUMNS, type DeliveryRow } from "./delivery-rows.ts";

const LIST = `SELECT ${DELIVERY_COLUMNS}, iif(?7, body, NULL) AS body FROM delivery WHERE n < ?1
  AND (?2 IS NULL OR n = ?2) AND (?3 IS NULL OR seq = ?3) AND (?4 IS NULL OR status = ?4) AND (?5 IS NULL OR webhook = ?5)
  ORDER BY n DESC LIMIT ?6`;
const BY_N = `SELECT ${DELIVERY_COLUMNS}, body FROM delivery WHERE n = ?`;
const SEND_AGAIN = "UPDATE delivery SET status = 'pending', tries = 0, next_at = ?2 WHERE n = ?1";

export const MAX_LISTED = 100;

type ListedRow = Omit<DeliveryRow, "body"> & { readonly body: string | null };

export function listDeliveries(
  shard: Shard,
  { filter, before, limit, texts = false }: ListDeliveriesRequest,
): Answer<{ readonly deliveries: readonly DeliveryRecord[] }> {
  if (limit > (texts ? 1 : MAX_LISTED))
    return refuse("invalid-request", `at most ${MAX_LISTED} a call, or one with its body`);
  if (!shard.memory.hasTables) return { v: 1, ok: true, deliveries: [] };
  const { n = null, seq = null, status = null, webhook = null } = filter;
  const from = before ?? Number.MAX_SAFE_INTEGER;
  const rows = shard.sql.all<ListedRow>(LIST, from, n, seq, status, webhook, limit, texts ? 1 : 0);
  return { v: 1, ok: true, deliveries: rows.map((row) => recordOf(shard, row)) };
}

/** One that is under way stays as it is: its attempt is the one that was asked for. */
export function redeliver(shard: Shard, { n }: Versioned & { readonly n: Seq }): DeliveryAnswer {
  const row = rowOf(shard, n);
  if (!row) return refuse("delivery-unknown", `There is no delivery ${deliveryId(shard.address, n)}, or no longer.`);
  const now = shard.ports.now();
  if (!shard.outbound.inFlight.has(n))
    shard.transact(() => {
      const { deliveries } = shard.memory;
      shard.sql.run(SEND_AGAIN, n, now);
      if (row.status === "pending") deliveries.next = Math.min(deliveries.next ?? now, now);
      else {
        deliveries.done--;
        becomePending(deliveries, row.bytes, now);
      }
    });
  return answerWith(shard, n, now);
}

export function pingWebhook(shard: Shard, { webhook }: Parameters<DeliveriesRpc["pingWebhook"]>[0]): DeliveryAnswer {
  const hook = shard.memory.settings?.hooks?.webhooks.find(({ id }) => id === webhook);
  if (!hook) return refuse("webhook-unknown", `There is no webhook ${webhook} here.`);
  const now = shard.ports.now();
  const body = pingBody(shard.address.queue, webhook, now);
  const ping = { event: "ping", seq: null, webhook, url: null, receiver: webhook, body } as const;
  const n = shard.transact(() => appendDelivery(shard, { ...ping, createdAt: now, nextAt: now }));
  return answerWith(shard, n, now);
}

function answerWith(shard: Shard, n: Seq, now: number): DeliveryAnswer {
  const row = rowOf(shard, n);
  afterOperation(shard, now);
  return row
    ? { v: 1, ok: true, delivery: recordOf(shard, row) }
    : refuse("internal", `delivery ${n} was written and is not there`);
}

function rowOf({ memory, sql }: Shard, n: Seq): DeliveryRow | undefined {
  return memory.hasTables ? sql.all<DeliveryRow>(BY_N, n)[0] : undefined;
}

function recordOf({ memory }: Shard, row: ListedRow): DeliveryRecord {
  const hook = memory.settings?.hooks?.webhooks.find(({ id }) => id === row.webhook);
  return {
    n: row.n,
    event: row.event,
    seq: row.seq,
    webhook: row.webhook,
    url: row.url ?? hook?.url ?? null,
    status: row.status,
    createdAt: row.created_at,
    nextAt: row.next_at,
    attemptCount: row.sent,
    attempts: attemptsOf(row),
    body: row.body,
  };
}
