/**
 * Ids are never given twice, whatever the clock and evictions do: the shard row keeps a mark that no later start goes
 * below, raised a minute ahead so that it is written once a minute and not once a task.
 */
import { nextSeq, seqAt } from "../../../core/ids.ts";
import type { Shard } from "../shard.ts";

const RESERVE = `INSERT INTO shard (one, seq_reserved) VALUES (1, ?1)
  ON CONFLICT (one) DO UPDATE SET seq_reserved = ?1`;
const AHEAD = 60_000 * 4096;
/** Where ids are ahead of the clock already, as after a start, so many at a time: starts that follow each other add up to little. */
const WHILE_AHEAD = 10 * 4096;

/** Makes `last` the newest seq given; inside the transaction that uses it. */
export function reserveSeq(shard: Shard, now: number, last: number): void {
  const { memory } = shard;
  memory.lastSeq = Math.max(memory.lastSeq, last);
  if (memory.lastSeq < memory.seqReserved) return;
  memory.seqReserved = Math.max(seqAt(now) + AHEAD, memory.lastSeq + WHILE_AHEAD);
  shard.sql.run(RESERVE, memory.seqReserved);
}

/** One number from the same counter, for a session; inside a transaction. */
export function takeNumber(shard: Shard, now: number): number {
  const number = nextSeq(shard.memory.lastSeq, now);
  reserveSeq(shard, now, number);
  return number;
}
