/**
 * The bodies in which finished tasks wait for D1: JSON texts of arrays of rows, so that a flush joins them without
 * reading them. Cut by real bytes, because a body is bound as one value here and in D1 (2 MB); a task with large texts
 * is a body of its own, payload and result beside it, where no escaping doubles them and no fault is a neighbour's.
 */
import { exceedsBytes, LARGE_ROW_BYTES, MAX_BOUND_BYTES, utf8Bytes } from "../core/bytes.ts";
import type { Seq } from "../core/ids.ts";
import type { HistoryHead, HistoryRow } from "./record.ts";

export interface HistoryBody {
  /** JSON text of an array of {@link HistoryRow}s. */
  readonly body: string;
  /** Of the body's only row, where its texts are large (JSON texts); null for other bodies. */
  readonly payload: string | null;
  readonly result: string | null;
}

export interface PackedBody extends HistoryBody {
  readonly count: number;
  /** Smallest and largest seq in it. */
  readonly lo: Seq;
  readonly hi: Seq;
  /** UTF-8 bytes of the three texts. */
  readonly bytes: number;
}

/** Packs rows into bodies of at most 1 MiB, in order but for the large ones, which come first. */
export function packBodies(rows: readonly HistoryRow[]): PackedBody[] {
  const bodies: PackedBody[] = [];
  let texts: string[] = [];
  let bytes = 2;
  let lo = Number.POSITIVE_INFINITY;
  let hi = 0;
  const close = () => {
    if (texts.length === 0) return;
    const body = `[${texts.join(",")}]`;
    bodies.push({ body, payload: null, result: null, count: texts.length, lo: lo as Seq, hi: hi as Seq, bytes });
    texts = [];
    bytes = 2;
    lo = Number.POSITIVE_INFINITY;
    hi = 0;
  };
  for (const row of rows) {
    if (isLarge(row)) {
      bodies.push(packLarge(row));
      continue;
    }
    const text = JSON.stringify(row);
    const size = utf8Bytes(text) + 1;
    if (bytes + size > MAX_BOUND_BYTES) close();
    texts.push(text);
    bytes += size;
    lo = Math.min(lo, row[0]);
    hi = Math.max(hi, row[0]);
  }
  close();
  return bodies;
}

/** The rows of a body, whole again. */
export function unpackBody({ body, payload, result }: HistoryBody): HistoryRow[] {
  const rows = JSON.parse(body) as HistoryRow[];
  if (payload === null) return rows;
  return rows.map((row): HistoryRow => [...headOf(row), payload, result]);
}

function packLarge(row: HistoryRow): PackedBody {
  const [seq, , , , , , , , , payload, result] = row;
  const body = JSON.stringify([[...headOf(row), "", null]]);
  const bytes = utf8Bytes(body) + utf8Bytes(payload) + (result === null ? 0 : utf8Bytes(result));
  return { body, payload, result, count: 1, lo: seq, hi: seq, bytes };
}

function isLarge(row: HistoryRow): boolean {
  const [, , , , , , , , , payload, result] = row;
  return exceedsBytes(payload, LARGE_ROW_BYTES) || (result !== null && exceedsBytes(result, LARGE_ROW_BYTES));
}

function headOf(row: HistoryRow): HistoryHead {
  const [seq, rev, status, type, createdAt, endedAt, expiresAt, resultExpiresAt, detail] = row;
  return [seq, rev, status, type, createdAt, endedAt, expiresAt, resultExpiresAt, detail];
}
