/**
 * Sends webhook deliveries: each by itself in the background, a few at a time, never awaited by anything that moves
 * tasks. At least once: a row is pending until an answer to it is on record, so what a lost object had sent is sent again,
 * under the same id. Must stay true: a receiver that is slow, or does not answer, holds up nobody but itself.
 */
import { cutUtf8 } from "../../../core/bytes.ts";
import { SLOW_MS } from "../../../core/delivery-places.ts";
import { DELIVERY_TIMEOUT_MS, deliveryDelay, GONE, isTaken } from "../../../core/delivery-policy.ts";
import type { DeliveryAttempt, Hook } from "../../../core/schema/webhooks-rpc.ts";
import { deliveryId, type WebhookMessage } from "../../../core/webhook-message.ts";
import { secretsAt } from "../../../core/webhook-secrets.ts";
import { armAlarm } from "../arm-alarm.ts";
import type { Shard } from "../shard.ts";
import {
  AT_ONCE,
  attemptsOf,
  becomeDone,
  DELIVERY_COLUMNS,
  type DeliveryRow,
  HOST,
  logAttempt,
} from "./delivery-rows.ts";
import type { Flight } from "./outbound.ts";
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
/** In most cases one that was tried: those that were not are due earlier. */
const LAST_TRIED = `SELECT attempts FROM delivery WHERE status = 'pending' AND receiver = ?
  ORDER BY next_at DESC LIMIT 1`;
const RECORD_IF_PENDING = `UPDATE delivery SET status = ?2, next_at = ?3, tries = ?4, sent = sent + 1, attempts = ?5
  WHERE n = ?1 AND status = 'pending'`;
const END_UNSENT = `UPDATE delivery SET status = 'failed', next_at = NULL,
  attempts = json_insert(coalesce(attempts, '[]'), '$[#]', json_array(?2, 0, NULL, ?3))
  WHERE n IN (SELECT n FROM delivery WHERE status = 'pending' AND receiver = ?1 AND (?4 OR event <> 'ping')
    LIMIT 1000)
  RETURNING n, bytes`;

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
  readonly flight: Flight;
}

/** Those that are to be sent now, marked as under way. The caller arms the alarm, and sends them. */
export function takeDueDeliveries(shard: Shard, now: number): Sending[] {
  const { outbound } = shard;
  const { deliveries } = shard.memory;
  if (outbound.hasUnseen || (deliveries.next !== null && deliveries.next <= now)) look(shard, now);
  const taken: Sending[] = [];
  // Whoever is under way looks again when it is back: nothing is to wake for those that wait.
  for (const { receiver, room } of outbound.candidates(now)) {
    const found = takeOf(shard, receiver, room, now);
    taken.push(...found.taken);
    if (found.hasMore) outbound.waitAnew(receiver);
    else outbound.waitNoMore(receiver);
    if (found.next !== null) deliveries.next = Math.min(deliveries.next ?? found.next, found.next);
  }
  outbound.sentInARow += taken.length;
  return taken;
}

/** Whoever has something due waits for a place, behind those that do already; and when the next one has is known. */
function look(shard: Shard, now: number): void {
  const { outbound, sql } = shard;
  const found = sql.all<{ receiver: string; next: number }>(RECEIVERS, MOST_RECEIVERS + 1);
  outbound.hasUnseen = found.length > MOST_RECEIVERS;
  let later: number | null = null;
  for (const { receiver, next } of found.slice(0, MOST_RECEIVERS)) {
    if (!outbound.knows(receiver)) outbound.learn(receiver, lastAttempt(shard, receiver));
    if (endUnsent(shard, receiver, now)) later = AT_ONCE;
    else if (next <= now) outbound.wait(receiver);
    else later ??= next;
  }
  shard.memory.deliveries.next = later;
}

function lastAttempt({ sql }: Shard, receiver: string): DeliveryAttempt | undefined {
  const [row] = sql.all<Pick<DeliveryRow, "attempts">>(LAST_TRIED, receiver);
  return row && attemptsOf(row).at(-1);
}

interface Found {
  readonly taken: readonly Sending[];
  /** Whether there may be more for the receiver that is due. */
  readonly hasMore: boolean;
  /** When there is something for the receiver that could be sent then. */
  readonly next: number | null;
}

function takeOf(shard: Shard, receiver: string, room: number, now: number): Found {
  const { outbound } = shard;
  if (endUnsent(shard, receiver, now)) return { taken: [], hasMore: false, next: AT_ONCE };
  const most = outbound.inFlight.size + room;
  const rows = shard.sql.all<DeliveryRow>(OF_RECEIVER, receiver, most);
  const taken: Sending[] = [];
  for (const row of rows) {
    if (outbound.inFlight.has(row.n)) continue;
    if (taken.length === room) break;
    const nextAt = row.next_at ?? now;
    if (nextAt > now) return { taken, hasMore: false, next: nextAt };
    const target = targetOf(shard, row, now);
    if (target === null) return { taken, hasMore: false, next: now + SECRET_WAIT_MS };
    const timestamp = Math.floor(now / 1_000);
    const message = { ...target, id: deliveryId(shard.address, row.n), timestamp, body: row.body };
    taken.push({ row, message, flight: outbound.begin(row.n, receiver, now) });
  }
  return { taken, hasMore: rows.length === most, next: null };
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

/** Where it is sent nothing any more, ends what waits for it, a portion. @returns whether there may be more */
function endUnsent(shard: Shard, receiver: string, now: number): boolean {
  const unsent = whyUnsent(shard, receiver);
  if (unsent === null) return false;
  const { reason, isDeleted } = unsent;
  return shard.transact(() => {
    const rows = shard.sql.all<Pick<DeliveryRow, "n" | "bytes">>(END_UNSENT, receiver, now, reason, isDeleted ? 1 : 0);
    for (const row of rows) becomeDone(shard.memory.deliveries, row);
    return rows.length === 1_000;
  });
}

/** Sends one and records what came of it; then others have its place. Rejects where that could not be written. */
export async function sendDelivery(shard: Shard, { row, message, flight }: Sending): Promise<void> {
  const { outbound, ports } = shard;
  const { forgotten } = shard;
  const stopWatch = ports.later(SLOW_MS, () => {
    outbound.becomeSlow(row.receiver);
    shard.host.keepAlive(sendNext(shard, ports.now()));
  });
  const attempt = await post(shard, message, flight.controller);
  stopWatch();
  if (!outbound.end(flight)) return;
  try {
    outbound.learn(row.receiver, attempt);
    if (shard.forgotten === forgotten) record(shard, row, message, attempt);
  } catch (error) {
    shard.memory.deliveries.next = ports.now() + AFTER_FAILURE_MS;
    armAlarm(shard, ports.now());
    throw error;
  }
  outbound.waitAnew(row.receiver);
  await sendNext(shard, ports.now());
}

/** Rejects where the database does. */
async function sendNext(shard: Shard, now: number): Promise<void> {
  const { deliveries } = shard.memory;
  const isOver = shard.outbound.sentInARow >= MOST_IN_A_ROW;
  if (isOver && deliveries.pending > 0) deliveries.next = AT_ONCE;
  const taken = isOver ? [] : takeDueDeliveries(shard, now);
  armAlarm(shard, now);
  for (const one of taken) shard.host.keepAlive(sendDelivery(shard, one));
}

/** Never rejects, and takes no longer than a receiver may. */
function post({ ports }: Shard, message: WebhookMessage, controller: AbortController): Promise<DeliveryAttempt> {
  const at = ports.now();
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
