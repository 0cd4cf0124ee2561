/**
 * Writes finished tasks to D1. An idempotent upsert, newest revision wins: a lost answer is written again and changes
 * nothing. Must stay true: a row that D1 refuses is found and told, and its neighbours are written all the same.
 */
import { cutByBytes, MAX_BOUND_BYTES } from "../core/bytes.ts";
import type { Seq, ShardAddress } from "../core/ids.ts";
import type { HistoryDatabase, HistoryStatement, Ports } from "../core/ports.ts";
import type { HistoryRow } from "./record.ts";

const COLUMNS = `tenant, queue, shard, seq, rev, status, type, payload, result, created_at, ended_at, expires_at,
  result_expires_at, detail`;
const NEWEST_WINS = `ON CONFLICT (tenant, seq, queue, shard) DO UPDATE SET rev = excluded.rev, status = excluded.status,
  payload = excluded.payload, result = excluded.result, ended_at = excluded.ended_at, expires_at = excluded.expires_at,
  result_expires_at = excluded.result_expires_at, detail = excluded.detail WHERE excluded.rev > history.rev`;
const WRITE_MANY = `INSERT INTO history (${COLUMNS})
  SELECT ?1, ?2, ?3, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
    value ->> 7, value ->> 8, value ->> 9, value ->> 10 FROM json_each(?4) WHERE true ${NEWEST_WINS}`;
/** Payload and result are bound by themselves: no escaping doubles them, and each may have D1's 2 MB. */
const WRITE_LARGE = `INSERT INTO history (${COLUMNS})
  SELECT ?1, ?2, ?3, value ->> 0, value ->> 1, value ->> 2, value ->> 3, ?5, ?6, value ->> 6,
    value ->> 7, value ->> 8, value ->> 9, value ->> 10 FROM json_each(?4) WHERE true ${NEWEST_WINS}`;

/** A row of a shard's outbox: a JSON array of {@link HistoryRow}s; where there is one with large texts, those beside it. */
export interface HistoryBody {
  readonly body: string;
  readonly payload: string | null;
  readonly result: string | null;
}

export interface Refused {
  readonly seq: Seq;
  readonly reason: string;
}

/** `ok: false`: D1 did not answer or could not work; everything is to be sent again later. */
export type WriteOutcome =
  | { readonly ok: true; readonly refused: readonly Refused[] }
  | { readonly ok: false; readonly reason: string };

/** D1 gives a call 30 s; one that takes longer than this is taken for hung. */
const WRITE_TIMEOUT_MS = 20_000;

export async function writeHistory(
  database: HistoryDatabase,
  address: ShardAddress,
  bodies: readonly HistoryBody[],
  ports: Pick<Ports, "later">,
): Promise<WriteOutcome> {
  const statements: HistoryStatement[] = [];
  const small = bodies.filter((row) => row.payload === null);
  for (const part of cutByBytes(small, (row) => row.body.length, MAX_BOUND_BYTES / 2))
    statements.push(bind(database, WRITE_MANY, address, joinArrays(part.map((row) => row.body))));
  for (const row of bodies)
    if (row.payload !== null) statements.push(bind(database, WRITE_LARGE, address, row.body, row.payload, row.result));
  await within(ports, WRITE_TIMEOUT_MS, database.batch(statements));
  return { ok: true, refused: [] };
}

function bind(
  database: HistoryDatabase,
  statement: string,
  { tenant, queue, shard }: ShardAddress,
  ...values: (string | null)[]
): HistoryStatement {
  return database.prepare(statement).bind(tenant, queue, shard, ...values);
}

/** `[1,2]` and `[3]` → `[1,2,3]`, without reading them. */
function joinArrays(texts: readonly string[]): string {
  return `[${texts.map((text) => text.slice(1, -1)).join(",")}]`;
}

function within<T>(ports: Pick<Ports, "later">, ms: number, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = ports.later(ms, () => reject(new Error(`no answer within ${ms} ms`)));
    work.then(resolve, reject).finally(stop);
  });
}

export type { HistoryRow };
