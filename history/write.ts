/**
 * Writes finished tasks to D1. An idempotent upsert, newest revision wins: a lost answer is written again and changes
 * nothing. Must stay true: a row that D1 refuses is found and told, and all its neighbours are written.
 */
import { cutByBytes, MAX_ANSWER_BYTES, MAX_BOUND_BYTES, utf8Bytes } from "../core/bytes.ts";
import type { Seq, ShardAddress } from "../core/ids.ts";
import type { HistoryDatabase, HistoryStatement, Ports } from "../core/ports.ts";
import { judgeError, messageOf } from "./judge-error.ts";
import { type HistoryBody, packBodies, unpackBody } from "./outbox-body.ts";
import { within } from "./within.ts";

const COLUMNS = `tenant, queue, shard, seq, rev, status, type, created_at, ended_at, expires_at, result_expires_at,
  detail, payload, result`;
const HEAD = `value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
  value -> 8`;
const NEWEST_WINS = `ON CONFLICT (tenant, seq, queue, shard) DO UPDATE SET rev = excluded.rev, status = excluded.status,
  type = excluded.type, created_at = excluded.created_at, ended_at = excluded.ended_at,
  expires_at = excluded.expires_at, result_expires_at = excluded.result_expires_at, detail = excluded.detail,
  payload = excluded.payload, result = excluded.result
  WHERE excluded.rev > history.rev`;

/**
 * How an array is taken apart. jsonb_each gives each row parsed (1,000 rows: 4 ms of SQL against 9 to 12 by json_each,
 * which parses a row again for each position; measured). It is in SQLite since 3.51; a D1 that lacks it gets the other.
 */
const UNPACK = ["jsonb_each", "json_each"] as const;
type Unpack = (typeof UNPACK)[number];

const writeMany = (unpack: Unpack) => `INSERT INTO history (${COLUMNS})
  SELECT ?1, ?2, ?3, ${HEAD}, value ->> 9, value ->> 10 FROM ${unpack}(?4) WHERE true ${NEWEST_WINS}`;
/** Payload and result are bound by themselves: no escaping doubles them. */
const writeLarge = (unpack: Unpack) => `INSERT INTO history (${COLUMNS})
  SELECT ?1, ?2, ?3, ${HEAD}, ?5, ?6 FROM ${unpack}(?4) WHERE true ${NEWEST_WINS}`;

/** D1 gives a call 30 s; one that takes longer than this is taken for hung. */
const WRITE_TIMEOUT_MS = 20_000;
const MAX_STATEMENTS = 100;
/** An invocation has 1,000 queries of D1; the search for refused rows takes no more than this of them. */
const MAX_TRIES = 300;

export interface Refused {
  readonly seq: Seq;
  readonly reason: string;
}

export type WriteOutcome =
  /** Every row is written, refused, or left. */
  | {
      readonly ok: true;
      readonly refused: readonly Refused[];
      /** To be sent again: so many were refused that the search for them was broken off before it came to these. */
      readonly left: readonly Seq[];
      /** As D1 bills them. */
      readonly rowsWritten: number;
    }
  /** D1 did not answer or could not work: everything is to be sent again later. */
  | { readonly ok: false; readonly reason: string };

/**
 * Writes all rows of `bodies`, of one shard, in calls of about 8 MiB. Never throws. A call that D1 refuses is halved
 * until the rows at fault are found; what more tries than an invocation has would be needed for is `left`.
 */
export async function writeHistory(
  database: HistoryDatabase,
  address: ShardAddress,
  bodies: readonly HistoryBody[],
  ports: Pick<Ports, "later">,
): Promise<WriteOutcome> {
  const writer = new HistoryWriter(database, address, ports);
  try {
    for (const call of cutByBytes(bodies, sizeOf, MAX_ANSWER_BYTES, MAX_STATEMENTS)) await writer.write(call);
    return { ok: true, refused: writer.refused, left: writer.left, rowsWritten: writer.rowsWritten };
  } catch (error) {
    return { ok: false, reason: messageOf(error) };
  }
}

function sizeOf({ body, payload, result }: HistoryBody): number {
  return body.length + (payload?.length ?? 0) + (result?.length ?? 0);
}

class HistoryWriter {
  readonly refused: Refused[] = [];
  readonly left: Seq[] = [];
  rowsWritten = 0;
  readonly #database: HistoryDatabase;
  readonly #address: ShardAddress;
  readonly #ports: Pick<Ports, "later">;
  #unpack: Unpack = UNPACK[0];
  #tries = MAX_TRIES;

  constructor(database: HistoryDatabase, address: ShardAddress, ports: Pick<Ports, "later">) {
    this.#database = database;
    this.#address = address;
    this.#ports = ports;
  }

  async write(bodies: readonly HistoryBody[]): Promise<void> {
    if ((await this.#try(bodies)) === null) return;
    // A body for each row: the halving below is of rows, not of what happened to be settled together.
    await this.#search(bodies.flatMap((body) => unpackBody(body).flatMap((row) => packBodies([row]))));
  }

  /** Writes what of these single rows can be written. */
  async #search(rows: readonly HistoryBody[]): Promise<void> {
    if (this.#tries-- <= 0) {
      this.left.push(...rows.flatMap(seqsOf));
      return;
    }
    const reason = await this.#try(rows);
    if (reason === null) return;
    if (rows.length === 1) {
      this.refused.push(...rows.flatMap(seqsOf).map((seq) => ({ seq, reason })));
      return;
    }
    const half = rows.length >> 1;
    await this.#search(rows.slice(0, half));
    await this.#search(rows.slice(half));
  }

  /** @returns null where all was written, why where D1 refused some of it; throws where D1 is not there */
  async #try(bodies: readonly HistoryBody[]): Promise<string | null> {
    try {
      const results = await within(this.#ports, WRITE_TIMEOUT_MS, this.#database.batch(this.#statements(bodies)));
      for (const { meta } of results) this.rowsWritten += meta.rows_written ?? 0;
      return null;
    } catch (error) {
      const reason = messageOf(error);
      if (reason.includes(UNPACK[0]) && this.#unpack !== UNPACK[1]) {
        this.#unpack = UNPACK[1];
        return this.#try(bodies);
      }
      if ((await judgeError(error, this.#database, this.#ports)) === "unavailable") throw error;
      return reason;
    }
  }

  #statements(bodies: readonly HistoryBody[]): HistoryStatement[] {
    const statements: HistoryStatement[] = [];
    const small = bodies.filter(({ payload }) => payload === null);
    for (const part of cutByBytes(small, ({ body }) => utf8Bytes(body), MAX_BOUND_BYTES))
      statements.push(this.#bind(writeMany(this.#unpack), joinArrays(part)));
    for (const { body, payload, result } of bodies)
      if (payload !== null) statements.push(this.#bind(writeLarge(this.#unpack), body, payload, result));
    return statements;
  }

  #bind(statement: string, ...values: (string | null)[]): HistoryStatement {
    const { tenant, queue, shard } = this.#address;
    return this.#database.prepare(statement).bind(tenant, queue, shard, ...values);
  }
}

function seqsOf(body: HistoryBody): Seq[] {
  return unpackBody(body).map(([seq]) => seq);
}

/** `[1,2]` and `[3]` → `[1,2,3]`, without reading them. */
function joinArrays(bodies: readonly HistoryBody[]): string {
  if (bodies.length === 1 && bodies[0]) return bodies[0].body;
  return `[${bodies.map(({ body }) => body.slice(1, -1)).join(",")}]`;
}
