/**
 * Sends webhook deliveries: each by itself in the background, a few at a time, never awaited by anything that moves
 * tasks. At least once: a row is pending until an answer to it is on record, so what a lost object had sent is sent again,
 * under the same id. Must stay true: a receiver that is slow, or does not answer, holds up nobody but itself.
 */
import { cutUtf8 } from "../../../core/bytes.ts";
import { DELIVERY_TIMEOUT_MS, deliveryDelay, GONE, isTaken } from "../../../core/delivery-policy.ts";
import type { DeliveryAttempt, Hook } from "../../../core/schema/webhooks-rpc.ts";
import { deliveryId, type WebhookMessage } from "../../../core/webhook-message.ts";
import { secretsAt } from "../../../core/webhook-secrets.ts";
import { armAlarm } from "../arm-alarm.ts";
import type { Shard } from "../shard.ts";
import { AT_ONCE, becomeDone, DELIVERY_COLUMNS, type DeliveryRow, HOST, logAttempt } from "./delivery-rows.ts";
import { reportFailure } from "./report-webhooks.ts";

/** By the index alone, a step a receiver: 100,000 rows of one that is away are one step. */
const RECEIVERS = `WITH RECURSIVE waiting (receiver) AS (
    SELECT min(receiver) FROM delivery WHERE status = 'pending'
    UNION ALL
    SELECT (SELECT min(d.receiver) FROM delivery d WHERE d.status = 'pending' AND d.receiver > waiting.receiver)
      FROM waiting WHERE waiting.receiver IS NOT NULL
  )
  SELECT receiver, (SELECT min(next_at) FROM delivery d WHERE d.status = 'pending' AND d.receiver = waiting.receiver) AS next
    FROM waiting WHERE receiver IS NOT NULL ORDER BY next LIMIT ?`;
const OF_RECEIVER = `SELECT ${DELIVERY_COLUMNS}, body FROM delivery WHERE status = 'pending' AND receiver = ?
  ORDER BY next_at LIMIT ?`;
const RECORD_IF_PENDING = `UPDATE delivery SET status = ?2, next_at = ?3, tries = ?4, sent = sent + 1, attempts = ?5
  WHERE n = ?1 AND status = 'pending'`;
const END_UNSENT = `UPDATE delivery SET status = 'failed', next_at = NULL,
  attempts = json_insert(coalesce(attempts, '[]'), '$[#]', json_array(?2, 0, NULL, ?3))
  WHERE n IN (SELECT n FROM delivery WHERE status = 'pending' AND receiver = ?1 AND (?4 OR event <> 'ping')
    LIMIT 1000)
  RETURNING n, bytes`;

/** Two of an invocation's six connections are left to tickets and dead letters. */
const MOST_AT_ONCE = 4;
/** One is left to others, whoever comes first. */
const MOST_OF_ONE = 3;
/** A receiver that did not answer, or took so long (ms), has one at a time, and all such ones half of all. */
const SLOW_MS = 2_000;
const MOST_OF_SLOW = 2;
const MOST_RECEIVERS = 1_000;
/** An invocation may make 1,000 requests: after so many the alarm begins another one. */
const MOST_IN_A_ROW = 500;
/** How soon (ms) to look again whether there is a secret to sign with. */
const SECRET_WAIT_MS = 5_000;
const AFTER_FAILURE_MS = 1_000;
const MAX_ERROR_BYTES = 256;

interface Sending {
  readonly row: DeliveryRow;
  readonly message: WebhookMessage;
}

/** Deliveries under way, and what is known of those who get them; in memory alone. */
export class Outbound {
  /** By number: whose it is, and since when (Unix ms). */
  readonly inFlight = new Map<number, { readonly receiver: string; readonly since: number }>();
  readonly slow = new Set<string>();
  /** Receivers with something due, the longest overdue first, as they were found last. */
  round: string[] = [];
  sentInARow = 0;
  /** By webhook: when an operator was told last that it does not take what it is sent (Unix ms). */
  readonly reportedAt = new Map<string, number>();

  isFull(): boolean {
    return this.inFlight.size >= MOST_AT_ONCE;
  }

  /** How many more a receiver may be sent now. */
  roomFor(receiver: string): number {
    const all = MOST_AT_ONCE - this.inFlight.size;
    if (!this.slow.has(receiver)) return Math.min(all, MOST_OF_ONE - this.count((other) => other === receiver));
    if (this.count((other) => other === receiver) > 0) return 0;
    return Math.min(all, 1, MOST_OF_SLOW - this.count((other) => this.slow.has(other)));
  }

  count(isMeant: (receiver: string) => boolean): number {
    let count = 0;
    for (const { receiver } of this.inFlight.values()) if (isMeant(receiver)) count++;
    return count;
  }
}

/** Those that are to be sent now, marked as under way. The caller arms the alarm, and sends them. */
export function takeDueDeliveries(shard: Shard, now: number): Sending[] {
  const { outbound } = shard;
  const { deliveries } = shard.memory;
  if (deliveries.next === null || deliveries.next > now) return [];
  const taken: Sending[] = [];
  let next: number | null = null;
  let hasLooked = false;
  // Whoever is under way looks again when it is back: nothing is to wake for them.
  while (!outbound.isFull()) {
    const receiver = outbound.round.shift();
    if (receiver === undefined) {
      if (hasLooked) break;
      hasLooked = true;
      next = beginRound(shard, now);
      continue;
    }
    const found = takeOf(shard, receiver, now);
    taken.push(...found.taken);
    if (found.next !== null) next = Math.min(next ?? found.next, found.next);
  }
  shard.memory.deliveries.next = next;
  outbound.sentInARow += taken.length;
  return taken;
}

/** @returns when the first receiver has something due that has nothing due now */
function beginRound(shard: Shard, now: number): number | null {
  const found = shard.sql.all<{ receiver: string; next: number }>(RECEIVERS, MOST_RECEIVERS + 1);
  const isDue = ({ receiver, next }: { receiver: string; next: number }) =>
    next <= now || whyUnsent(shard, receiver) !== null;
  shard.outbound.round = found
    .slice(0, MOST_RECEIVERS)
    .filter(isDue)
    .map(({ receiver }) => receiver);
  if (found.length > MOST_RECEIVERS) return AT_ONCE;
  return found.find((receiver) => !isDue(receiver))?.next ?? null;
}

interface Found {
  readonly taken: readonly Sending[];
  /** When there is something for the receiver that could be sent then. */
  readonly next: number | null;
}

function takeOf(shard: Shard, receiver: string, now: number): Found {
  const { outbound } = shard;
  const unsent = whyUnsent(shard, receiver);
  if (unsent !== null && endUnsent(shard, receiver, unsent, now)) return { taken: [], next: AT_ONCE };
  const room = outbound.roomFor(receiver);
  if (room <= 0) return { taken: [], next: null };
  const rows = shard.sql.all<DeliveryRow>(OF_RECEIVER, receiver, outbound.inFlight.size + room);
  const taken: Sending[] = [];
  for (const row of rows) {
    if (outbound.inFlight.has(row.n)) continue;
    if (taken.length === room) break;
    const nextAt = row.next_at ?? now;
    if (nextAt > now) return { taken, next: nextAt };
    const target = targetOf(shard, row, now);
    if (target === null) return { taken, next: now + SECRET_WAIT_MS };
    const timestamp = Math.floor(now / 1_000);
    taken.push({ row, message: { ...target, id: deliveryId(shard.address, row.n), timestamp, body: row.body } });
    outbound.inFlight.set(row.n, { receiver, since: now });
  }
  return { taken, next: null };
}

/** Where it goes and what signs it; null while there is no secret yet. */
function targetOf(shard: Shard, row: DeliveryRow, now: number): Pick<WebhookMessage, "url" | "secrets"> | null {
  const hook = row.webhook === null ? null : hookOf(shard, row.webhook);
  const url = hook ? hook.url : row.url;
  const kept = hook ? hook.secrets : (shard.memory.settings?.hooks?.signing ?? []);
  const secrets = secretsAt(kept, now).map(({ secret }) => secret);
  return url === null || secrets.length === 0 ? null : { url, secrets };
}

function hookOf({ memory }: Shard, webhook: string): Hook | undefined {
  return memory.settings?.hooks?.webhooks.find(({ id }) => id === webhook);
}

interface Unsent {
  readonly reason: string;
  readonly isDeleted: boolean;
}

/** Why a receiver is sent nothing any more, but for pings where it is disabled; null: it is. */
function whyUnsent(shard: Shard, receiver: string): Unsent | null {
  if (receiver.startsWith(HOST)) return null;
  const hook = hookOf(shard, receiver);
  if (!hook) return { reason: "not sent: the webhook was deleted", isDeleted: true };
  return hook.disabled ? { reason: "not sent: the webhook is disabled", isDeleted: false } : null;
}

/** Ends what waits for it, a portion. @returns whether there may be more */
function endUnsent(shard: Shard, receiver: string, { reason, isDeleted }: Unsent, now: number): boolean {
  return shard.transact(() => {
    const rows = shard.sql.all<Pick<DeliveryRow, "n" | "bytes">>(END_UNSENT, receiver, now, reason, isDeleted ? 1 : 0);
    for (const row of rows) becomeDone(shard.memory.deliveries, row);
    return rows.length === 1_000;
  });
}

/** Sends one and records what came of it; then others have its place. Rejects where that could not be written. */
export async function sendDelivery(shard: Shard, { row, message }: Sending): Promise<void> {
  const { outbound, ports } = shard;
  const { forgotten } = shard;
  const attempt = await post(shard, message);
  outbound.inFlight.delete(row.n);
  try {
    if (attempt.status === null || attempt.ms > SLOW_MS) outbound.slow.add(row.receiver);
    else outbound.slow.delete(row.receiver);
    if (outbound.slow.size > MOST_RECEIVERS) outbound.slow.clear();
    if (shard.forgotten === forgotten) record(shard, row, message, attempt);
  } catch (error) {
    shard.memory.deliveries.next = ports.now() + AFTER_FAILURE_MS;
    armAlarm(shard, ports.now());
    throw error;
  }
  sendNext(shard, ports.now());
}

function sendNext(shard: Shard, now: number): void {
  const { deliveries } = shard.memory;
  if (deliveries.pending > 0) deliveries.next = AT_ONCE;
  const taken = shard.outbound.sentInARow < MOST_IN_A_ROW ? takeDueDeliveries(shard, now) : [];
  armAlarm(shard, now);
  for (const one of taken) shard.host.keepAlive(sendDelivery(shard, one));
}

/** Never rejects, and takes no longer than a receiver may. */
function post({ ports }: Shard, message: WebhookMessage): Promise<DeliveryAttempt> {
  const at = ports.now();
  const controller = new AbortController();
  return new Promise((resolve) => {
    const end = (status: number | null, error?: string) => {
      stop();
      resolve({ at, ms: ports.now() - at, status, ...(error !== undefined && { error }) });
    };
    const stop = ports.later(DELIVERY_TIMEOUT_MS, () => {
      end(null, `no answer within ${DELIVERY_TIMEOUT_MS} ms`);
      controller.abort();
    });
    ports.sendWebhook(message, controller.signal).then(
      (status) => end(status),
      (error: unknown) => end(null, cutUtf8(error instanceof Error ? error.message : String(error), MAX_ERROR_BYTES)),
    );
  });
}

function record(shard: Shard, row: DeliveryRow, message: WebhookMessage, attempt: DeliveryAttempt): void {
  const { ports, sql } = shard;
  const tries = row.tries + 1;
  const isDone = isTaken(attempt.status);
  const delay = isDone || attempt.status === GONE ? null : deliveryDelay(tries, ports.random());
  const nextAt = delay === null ? null : ports.now() + delay;
  const status = isDone ? "delivered" : nextAt === null ? "failed" : "pending";
  shard.transact(() => {
    const changed = sql.run(RECORD_IF_PENDING, row.n, status, nextAt, tries, logAttempt(row, attempt));
    if (changed > 0 && status !== "pending") becomeDone(shard.memory.deliveries, row);
  });
  if (status === "failed") reportFailure(shard, row, message, attempt);
}
