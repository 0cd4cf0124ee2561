/**
 * Names and ids. An id routes itself: `{queue}.{shard}.{seq}`, seq as 11 digits of base 32, so that the door finds
 * the object from the id alone, and ids of a shard sort by age.
 */
declare const brand: unique symbol;
type Brand<T, B extends string> = T & { readonly [brand]: B };

/** Number of a task within its shard: a safe integer, the rowid, and its age (see {@link seqAt}). */
export type Seq = Brand<number, "Seq">;
export type TaskId = Brand<string, "TaskId">;
export type BatchId = Brand<string, "BatchId">;
export type QueueName = Brand<string, "QueueName">;
export type TenantName = Brand<string, "TenantName">;
/** Of a workflow's run: `wf_` and 24 digits of base 32. It names the run's object. */
export type RunId = Brand<string, "RunId">;

export const QUEUE_NAME = /^[A-Za-z0-9_-]{1,64}$/;
export const TENANT_NAME = /^[a-z0-9-]{1,32}$/;
export const TYPE_NAME = /^[A-Za-z0-9_.:/-]{1,128}$/;
/** Until keys name tenants, everything belongs to this one. */
export const DEFAULT_TENANT = "default" as TenantName;
export const DEFAULT_QUEUE = "default" as QueueName;
export const MAX_SHARDS = 64;
/** The most tasks that are submitted together, so the most that a batch id counts. */
export const MAX_BATCH = 10_000;

const EPOCH_MS = Date.UTC(2025, 0, 1);
const PER_MS = 4096;

/** The object of one shard: `{tenant}:{queue}:{shard}`. */
export interface ShardAddress {
  readonly tenant: TenantName;
  readonly queue: QueueName;
  readonly shard: number;
}

/** The smallest seq that a task made at `ms` (Unix ms) may have: 4096 a millisecond since 2025-01-01. */
export function seqAt(ms: number): Seq {
  return ((ms - EPOCH_MS) * PER_MS) as Seq;
}

/** The moment (Unix ms) that a seq stands for: up to a minute ahead of the clock after a restart, later at a burst. */
export function seqTime(seq: Seq): number {
  return Math.floor(seq / PER_MS) + EPOCH_MS;
}

/** `max(last + 1, now)`: never twice, never backwards, whatever the clock does. */
export function nextSeq(last: number, now: number): Seq {
  return Math.max(last + 1, seqAt(now)) as Seq;
}

const DIGITS = "0123456789abcdefghijklmnopqrstuv";
const HALF = 2 ** 30;

/** Eleven digits of base 32, by hand: `toString(32)` on a number beyond 31 bits is four times as slow (0.4 against 0.1 µs). */
export function formatSeq(seq: Seq): string {
  const high = Math.floor(seq / HALF);
  const low = seq - high * HALF;
  return String.fromCharCode(
    digit(high, 20),
    digit(high, 15),
    digit(high, 10),
    digit(high, 5),
    digit(high, 0),
    digit(low, 25),
    digit(low, 20),
    digit(low, 15),
    digit(low, 10),
    digit(low, 5),
    digit(low, 0),
  );
}

function digit(bits: number, shift: number): number {
  return DIGITS.charCodeAt((bits >>> shift) & 31);
}

export function taskId(at: Pick<ShardAddress, "queue" | "shard">, seq: Seq): TaskId {
  return `${at.queue}.${at.shard}.${formatSeq(seq)}` as TaskId;
}

export function batchId(at: Pick<ShardAddress, "queue" | "shard">, first: Seq, count: number): BatchId {
  return `${at.queue}.${at.shard}.${formatSeq(first)}.${count}` as BatchId;
}

export interface ParsedTaskId {
  readonly queue: QueueName;
  readonly shard: number;
  readonly seq: Seq;
}

const ID = /^([A-Za-z0-9_-]{1,64})\.(0|[1-9]\d?)\.([0-9a-v]{11})$/;
const BATCH = /^([A-Za-z0-9_-]{1,64}\.(?:0|[1-9]\d?)\.[0-9a-v]{11})\.([1-9]\d{0,4})$/;

/** Reads a task id; null for anything that this system cannot have made. */
export function parseTaskId(text: string): ParsedTaskId | null {
  const match = ID.exec(text);
  if (!match) return null;
  const [, queue = "", shard = "", digits = ""] = match;
  const seq = Number.parseInt(digits, 32);
  if (!Number.isSafeInteger(seq) || Number(shard) >= MAX_SHARDS) return null;
  return { queue: queue as QueueName, shard: Number(shard), seq: seq as Seq };
}

/** The seqs of those ids that are of one shard. */
export function seqsAt(ids: readonly TaskId[], { queue, shard }: Pick<ShardAddress, "queue" | "shard">): Seq[] {
  return ids.flatMap((id) => {
    const parsed = parseTaskId(id);
    return parsed?.queue === queue && parsed.shard === shard ? [parsed.seq] : [];
  });
}

/** Reads a batch id: its first task and how many follow; null for anything that this system cannot have made. */
export function parseBatchId(text: string): (ParsedTaskId & { readonly count: number }) | null {
  const match = BATCH.exec(text);
  const first = match?.[1] === undefined ? null : parseTaskId(match[1]);
  const count = Number(match?.[2]);
  return first && count <= MAX_BATCH ? { ...first, count } : null;
}

const RUN_ID = /^wf_[0-9a-v]{24}$/;
const RUN_DIGITS = 24;

/** Reads a run's id; null for anything that this system cannot have made. */
export function parseRunId(text: string): RunId | null {
  return RUN_ID.test(text) ? (text as RunId) : null;
}

/** The id of a run. @param bytes at least 24: random, or a hash of the key that it is made under */
export function runId(bytes: Uint8Array): RunId {
  if (bytes.length < RUN_DIGITS)
    throw new RangeError(`a run's id is made of ${RUN_DIGITS} bytes, here are ${bytes.length}`);
  const digits = Array.from(bytes.subarray(0, RUN_DIGITS), (byte) => DIGITS.charAt(byte & 31));
  return `wf_${digits.join("")}` as RunId;
}

/** The object of one run: `{tenant}:{run}`. Throws on a name that is none. */
export function parseRunName(name: string | undefined): { readonly tenant: TenantName; readonly run: RunId } {
  const [tenant = "", id = "", ...rest] = (name ?? "").split(":");
  const run = parseRunId(id);
  if (rest.length > 0 || !TENANT_NAME.test(tenant) || run === null) throw new Error(`not the name of a run: ${name}`);
  return { tenant: tenant as TenantName, run };
}

export function shardName(address: ShardAddress): string {
  return `${address.tenant}:${address.queue}:${address.shard}`;
}

/** Reads an object's own name: the only place that a shard learns its tenant from. Throws on a name that is none. */
export function parseShardName(name: string | undefined): ShardAddress {
  const [tenant, queue, shard, ...rest] = (name ?? "").split(":");
  if (
    rest.length > 0 ||
    !TENANT_NAME.test(tenant ?? "") ||
    !QUEUE_NAME.test(queue ?? "") ||
    !/^\d{1,2}$/.test(shard ?? "")
  )
    throw new Error(`not the name of a shard: ${name}`);
  return { tenant: tenant as TenantName, queue: queue as QueueName, shard: Number(shard) };
}
