/** Tasks end while they wait (SCHEDULED, BLOCKED, QUEUED, RETRYING): their rows go, history gets what they were. */
import type { TaskRecord } from "../../../core/task.ts";
import { endTasks } from "../ended/end-tasks.ts";
import type { Shard } from "../shard.ts";
import { type Ending, endedRecord, type TaskRow } from "../task-rows.ts";
import { quitWaiting } from "./waiting.ts";

const DELETE_IF_WAITING = `DELETE FROM task WHERE seq IN (SELECT value FROM json_each(?))
  AND status IN ('SCHEDULED', 'BLOCKED', 'QUEUED', 'RETRYING')`;

/** Inside a transaction. @returns the tasks as they ended */
export function leaveWaiting(
  shard: Shard,
  rows: readonly TaskRow[],
  endingOf: (row: TaskRow) => Ending,
  now: number,
): TaskRecord[] {
  shard.sql.run(DELETE_IF_WAITING, JSON.stringify(rows.map(({ seq }) => seq)));
  quitWaiting(shard, rows);
  const ended = rows.map((row) => endedRecord(row, endingOf(row), now));
  endTasks(shard, ended, now);
  return ended;
}
