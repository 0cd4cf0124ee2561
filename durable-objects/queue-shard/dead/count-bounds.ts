/**
 * What a dry run has counted of tasks that live, as the newest seq of that moment: `asOf`, given back, then means no task
 * that was submitted afterwards, be it in the same millisecond or by a clock that is behind. A row, so that it holds over
 * whatever becomes of the object; forgotten with the answers of jobs, after a day.
 */
import type { Shard } from "../shard.ts";

const FIND = "SELECT answer FROM bulk WHERE job = ?";
/** Two that count by one `asOf` count the same: the first one's moment stays. */
const KEEP = "INSERT INTO bulk (job, portion, answer, at) VALUES (?, 0, ?, ?) ON CONFLICT (job) DO NOTHING";
const FORGET = "DELETE FROM bulk WHERE at < ?";

/** Nobody asks for a portion again after that, nor brings an `asOf` back. */
const KEPT_MS = 86_400_000;

/** The newest seq that `asOf` (Unix ms; null: now) means. */
export function boundOf({ memory, sql }: Shard, asOf: number | null): number {
  const [row] = asOf === null || !memory.hasTables ? [] : sql.all<{ answer: string }>(FIND, nameOf(asOf));
  return row ? Number(row.answer) : memory.lastSeq;
}

/** From now on `asOf` means nothing newer than what is here. @returns as {@link boundOf} */
export function keepBound(shard: Shard, asOf: number): number {
  const now = shard.ports.now();
  return shard.transact(() => {
    forgetBulk(shard, now);
    shard.sql.run(KEEP, nameOf(asOf), String(shard.memory.lastSeq), now);
    return boundOf(shard, asOf);
  });
}

/** What jobs were answered, and dry runs counted, a day ago. Inside a transaction. */
export function forgetBulk({ sql }: Shard, now: number): void {
  sql.run(FORGET, now - KEPT_MS);
}

/** No job has that name: theirs are UUIDs. */
function nameOf(asOf: number): string {
  return `asOf ${asOf}`;
}
