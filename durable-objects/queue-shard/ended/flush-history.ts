/**
 * Outbox → D1, by alarm, at most one flush at a time and never awaited by anything that moves tasks: while D1 hangs,
 * leases and due tasks go on. A row is deleted once D1 has it (the upsert is idempotent, so a lost answer costs a
 * second write, nothing else); a task that D1 refuses is kept by itself, with the reason, and blocks nobody.
 */
import { cutByBytes, MAX_ANSWER_BYTES } from "../../../core/bytes.ts";
import { type HistoryBody, unpackBody } from "../../../history/outbox-body.ts";
import { type WriteOutcome, writeHistory } from "../../../history/write.ts";
import { armAlarm } from "../arm-alarm.ts";
import type { Shard } from "../shard.ts";
import { erasedAmong } from "./erased-marks.ts";
import { appendRows, backoffOf, FLUSH_AT_ENTRIES, FLUSH_DELAY_MS, keepRefused, takeFlushed } from "./outbox.ts";

const NEXT = "SELECT n, bytes FROM outbox WHERE refused IS NULL ORDER BY n LIMIT 1000";
const BODIES = "SELECT body, payload, result FROM outbox WHERE n >= ?1 AND n <= ?2 AND refused IS NULL ORDER BY n";

type Written = Extract<WriteOutcome, { readonly ok: true }>;

/** Started by the alarm, which has marked it as under way. Never throws. */
export async function flushHistory(shard: Shard): Promise<void> {
  try {
    shard.memory.historyFlush.at = null;
    do {
      if (!(await flushOnce(shard))) break;
    } while (shard.memory.outbox.entries >= FLUSH_AT_ENTRIES);
  } catch (error) {
    postpone(shard, String(error));
  } finally {
    shard.flushingSince = null;
    const { memory, ports } = shard;
    if (memory.outbox.rows > 0) memory.historyFlush.at ??= ports.now() + FLUSH_DELAY_MS;
    armAlarm(shard, ports.now());
  }
}

/** Sends what fits one call. @returns whether D1 took it */
async function flushOnce(shard: Shard): Promise<boolean> {
  const { sql, ports, address } = shard;
  const rows = sql.all<{ n: number; bytes: number }>(NEXT);
  const [part] = cutByBytes(rows, (row) => row.bytes, MAX_ANSWER_BYTES / 2);
  const lo = part?.[0]?.n;
  const hi = part?.at(-1)?.n;
  if (lo === undefined || hi === undefined) return false;
  const bodies = sql.all<HistoryBody>(BODIES, lo, hi);
  const database = ports.history(shard.memory.settings?.history ?? 0);
  if (!database) return postpone(shard, "no such history database is bound");
  const { forgotten } = shard;
  const written = await writeHistory(database, address, bodies, ports);
  if (shard.forgotten !== forgotten) return false;
  if (!written.ok) return postpone(shard, written.reason);
  shard.transact(() => forget(shard, lo, hi, bodies, written));
  shard.memory.historyFlush.failures = 0;
  return true;
}

function forget(shard: Shard, lo: number, hi: number, bodies: readonly HistoryBody[], written: Written): void {
  takeFlushed(shard, lo, hi);
  const { refused, left } = written;
  if (refused.length === 0) return;
  const back = [...refused.map(({ seq }) => seq), ...left];
  const erased = erasedAmong(shard, back);
  const unpacked = bodies.flatMap(unpackBody).filter(([seq]) => !erased.has(seq));
  for (const one of refused) if (!erased.has(one.seq)) keepRefused(shard, unpacked, one);
  const again = new Set(left);
  appendRows(
    shard,
    unpacked.filter(([seq]) => again.has(seq)),
  );
}

function postpone(shard: Shard, reason: string): false {
  const { historyFlush } = shard.memory;
  historyFlush.at = shard.ports.now() + backoffOf(++historyFlush.failures);
  shard.ports.log("warn", "history-postponed", { object: shard.name, detail: reason });
  return false;
}
