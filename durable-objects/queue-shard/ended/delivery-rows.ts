/**
 * Webhook deliveries as they are kept: one row each, from the end that it tells of until past its time, numbered by the
 * counter of tasks, which gives no number twice. `receiver` says which ones wait for the same other side: a webhook, or
 * the host of tasks' own callbacks.
 */
import { utf8Bytes } from "../../../core/bytes.ts";
import type { Seq } from "../../../core/ids.ts";
import type { DeliveryAttempt, DeliveryRecord, DeliveryStatus } from "../../../core/schema/webhooks-rpc.ts";
import type { Sql } from "../../sql/sql.ts";
import type { Shard } from "../shard.ts";
import { takeNumber } from "../submit/reserve-seq.ts";

const APPEND = `INSERT INTO delivery (n, event, seq, webhook, url, receiver, status, next_at, created_at, bytes, body)
  VALUES (?, ?, ?, ?, ?, ?, 'pending', ?, ?, ?, ?)`;
const PENDING = `SELECT count(*) AS pending, coalesce(sum(bytes), 0) AS bytes, min(next_at) AS next FROM delivery
  WHERE status = 'pending'`;
const DONE = "SELECT count(*) AS done, min(n) AS oldestDone FROM delivery WHERE status <> 'pending'";

/** What a receiver's name begins with that is the host of callbacks; any other is a webhook's id. */
export const HOST = "//";

/** In the place of the moment when to look: now. */
export const AT_ONCE = 0;

/** Memory's picture of them. */
export interface Deliveries {
  pending: number;
  /** Of the pending ones' bodies. */
  bytes: number;
  /** When to look for one to send (Unix ms): never later than the first is due that could be. */
  next: number | null;
  done: number;
  /** Never above the number of the oldest that is done. */
  oldestDone: number | null;
}

export interface DeliveryRow {
  readonly n: Seq;
  readonly event: DeliveryRecord["event"];
  readonly seq: Seq | null;
  readonly webhook: string | null;
  readonly url: string | null;
  readonly receiver: string;
  readonly status: DeliveryStatus;
  readonly next_at: number | null;
  /** Attempts by the policy, since it was to be sent (again). */
  readonly tries: number;
  /** All attempts. */
  readonly sent: number;
  readonly attempts: string | null;
  readonly created_at: number;
  readonly bytes: number;
  readonly body: string;
}

export const DELIVERY_COLUMNS = `n, event, seq, webhook, url, receiver, status, next_at, tries, sent, attempts, created_at,
  bytes`;

export function noDeliveries(): Deliveries {
  return { pending: 0, bytes: 0, next: null, done: 0, oldestDone: null };
}

export function loadDeliveries(sql: Sql): Deliveries {
  const [pending] = sql.all<Partial<Deliveries>>(PENDING);
  const [done] = sql.all<Partial<Deliveries>>(DONE);
  return { ...noDeliveries(), ...pending, ...done };
}

export type NewDelivery = Pick<DeliveryRow, "event" | "seq" | "webhook" | "url" | "receiver" | "body"> & {
  readonly createdAt: number;
  readonly nextAt: number;
};

/** Inside a transaction. */
export function appendDelivery(shard: Shard, told: NewDelivery): Seq {
  const { deliveries } = shard.memory;
  const { event, seq, webhook, url, receiver, body, createdAt, nextAt } = told;
  const n = takeNumber(shard, createdAt) as Seq;
  const bytes = utf8Bytes(body);
  shard.sql.run(APPEND, n, event, seq, webhook, url, receiver, nextAt, createdAt, bytes, body);
  becomePending(deliveries, bytes, nextAt);
  return n;
}

/** Memory in step with a row that is to be sent. */
export function becomePending(deliveries: Deliveries, bytes: number, nextAt: number): void {
  deliveries.pending++;
  deliveries.bytes += bytes;
  deliveries.next = Math.min(deliveries.next ?? nextAt, nextAt);
}

/** Memory in step with a row that is pending no more. */
export function becomeDone(deliveries: Deliveries, { n, bytes }: Pick<DeliveryRow, "n" | "bytes">): void {
  deliveries.pending--;
  deliveries.bytes -= bytes;
  deliveries.done++;
  deliveries.oldestDone = Math.min(deliveries.oldestDone ?? n, n);
}

/** An attempt as a row keeps it. */
type StoredAttempt = readonly [at: number, ms: number, status: number | null, error?: string];

export function attemptsOf({ attempts }: Pick<DeliveryRow, "attempts">): DeliveryAttempt[] {
  const stored = attempts === null ? [] : (JSON.parse(attempts) as StoredAttempt[]);
  return stored.map(([at, ms, status, error]) => ({ at, ms, status, ...(error !== undefined && { error }) }));
}

/** How many attempts a row tells of: the first, and the latest. */
const MAX_ATTEMPTS = 20;

/** The row's attempts and one more, as JSON text. */
export function logAttempt(row: Pick<DeliveryRow, "attempts">, { at, ms, status, error }: DeliveryAttempt): string {
  const attempts: StoredAttempt[] = row.attempts === null ? [] : (JSON.parse(row.attempts) as StoredAttempt[]);
  attempts.push(error === undefined ? [at, ms, status] : [at, ms, status, error]);
  if (attempts.length > MAX_ATTEMPTS) attempts.splice(1, attempts.length - MAX_ATTEMPTS);
  return JSON.stringify(attempts);
}
