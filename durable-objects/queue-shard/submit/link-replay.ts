/**
 * Tells a finished task by which one it is repeated, in the commit that accepts that one. A dead letter keeps it in its
 * row; of any other the record goes to history anew, one revision higher: as the outbox has it, else as the caller read
 * it. Two callers that read the same revision at once leave the later link alone there; `replayOf` always stands.
 */
import { type Seq, type TaskId, taskId } from "../../../core/ids.ts";
import { optionsText } from "../../../core/make-task.ts";
import { repeatedBy } from "../../../core/replay.ts";
import type { TaskRecord } from "../../../core/task.ts";
import { erasedAmong } from "../ended/erased-marks.ts";
import { appendHistory, findInOutbox } from "../ended/outbox.ts";
import type { Shard } from "../shard.ts";
import { optionsOf, payloadForHistory, recordOf, rowsOf, type TaskRow } from "../task-rows.ts";

const KEEP_IF_DEAD = "UPDATE task SET options = ?2, rev = rev + 1 WHERE seq = ?1 AND status = 'FAILED'";

/** Inside a transaction. @param read the task as its reader found it; `by` is of this shard */
export function linkReplay(shard: Shard, read: TaskRecord, by: Seq, now: number): void {
  if (erasedAmong(shard, [read.seq]).size > 0) return;
  const id = taskId(shard.address, by);
  const [row] = rowsOf(shard.sql, [read.seq]);
  if (row?.status === "FAILED") appendHistory(shard, [linkDead(shard, row, id)], now);
  if (row) return;
  const [waiting] = findInOutbox(shard, [read.seq]);
  const known = waiting && waiting.rev >= read.rev ? waiting : read;
  appendHistory(shard, [repeatedBy(known, id)], now);
}

function linkDead(shard: Shard, row: TaskRow, by: TaskId): TaskRecord {
  const record = repeatedBy(recordOf({ ...row, payload: payloadForHistory(row) }), by);
  const replayedBy = record.links?.replayedBy ?? [];
  shard.sql.run(KEEP_IF_DEAD, row.seq, optionsText({ ...optionsOf(row), replayedBy }));
  return record;
}
