/**
 * A dead letter becomes a new task, in one transaction: the new row, the old one gone, and the old task's record once
 * more, with what it became. So whatever answer is lost, it is redriven once. It must find room like any new task.
 */
import { nextSeq, type Seq, taskId } from "../../../core/ids.ts";
import { isKeyed, laneText, MAX_LANES } from "../../../core/lanes.ts";
import { type Fault, isFault, under } from "../../../core/make-task.ts";
import { editMark, redriveCause, redriveTask } from "../../../core/redrive-task.ts";
import { repeatedBy } from "../../../core/replay.ts";
import type { BulkRefusal } from "../../../core/schema/bulk-rpc.ts";
import type { RedriveEdit, RedriveRequest, Unfit } from "../../../core/schema/dead-letters-rpc.ts";
import type { NewTask, TaskAnswer } from "../../../core/schema/rpc.ts";
import type { TaskRecord } from "../../../core/task.ts";
import { afterOperation } from "../after.ts";
import { appendHistory } from "../ended/outbox.ts";
import { readOne } from "../reads/read.ts";
import { refuse, type Shard } from "../shard.ts";
import { insertTasks, laneKeyFor, type PlannedTask } from "../submit/insert-tasks.ts";
import { reserveSeq } from "../submit/reserve-seq.ts";
import { roomIn } from "../submit/room.ts";
import { logMove, movesOf, moveTo, payloadForHistory, recordOf, rowsOf, type TaskRow } from "../task-rows.ts";
import { areLanesFull, reclaimLanes } from "../waiting/lane-rows.ts";
import { dropDead } from "./dead-rows.ts";

const ASK_AGAIN_MS = 1_000;

/** One, by its id. */
export function redriveDead(shard: Shard, { seq, edit = {} }: RedriveRequest): TaskAnswer {
  if (!shard.memory.hasTables) return { v: 1, ok: true, task: null };
  const [row] = rowsOf(shard.sql, [seq]);
  if (row?.status !== "FAILED") return { v: 1, ok: true, task: readOne(shard, seq) };
  const { refusal } = roomIn(shard);
  if (refusal) return refuse(refusal.code, refusal.detail, ASK_AGAIN_MS);
  const now = shard.ports.now();
  const { records, failures, refusal: full } = shard.transact(() => redriveRows(shard, [row], edit, now));
  const [failure] = failures;
  if (failure) return { ...refuse(failure.fault.code, failure.fault.detail), errors: failure.fault.errors };
  if (full) return refuse(full.code, full.detail, ASK_AGAIN_MS);
  afterOperation(shard, now);
  return { v: 1, ok: true, task: records[0] ?? null };
}

export interface Redriving {
  /** What the old ones are now, in the order of their rows. */
  readonly records: readonly TaskRecord[];
  /** Those that their edit does not fit, with pointers into what was asked for. */
  readonly failures: readonly Unfit[];
  /** Of the rows, the first so many were looked at. */
  readonly seen: number;
  /** Why no more were. */
  readonly refusal: BulkRefusal | null;
}

export const NO_LANE: BulkRefusal = { code: "too-many-keys", detail: `the shard holds ${MAX_LANES} lanes` };

/** What a dead letter would become; its fault has pointers into what was asked for. */
export function taskFor({ address, ports }: Shard, dead: TaskRecord, edit: RedriveEdit, now: number): NewTask | Fault {
  const task = redriveTask(dead, taskId(address, dead.seq), edit, ports.taskType(dead.type), now);
  return isFault(task) ? under("/edit", task) : task;
}

/** Rows of dead letters, no more than there is room for. Inside a transaction. */
export function redriveRows(shard: Shard, rows: readonly TaskRow[], edit: RedriveEdit, now: number): Redriving {
  const { address } = shard;
  const planned: PlannedTask[] = [];
  const gone: TaskRow[] = [];
  const records: TaskRecord[] = [];
  const failures: Unfit[] = [];
  const mark = editMark(edit);
  const newLanes = new Set<string>();
  let refusal: BulkRefusal | null = null;
  let last = shard.memory.lastSeq;
  for (const row of rows) {
    const record = recordOf(row);
    const task = taskFor(shard, record, edit, now);
    if (isFault(task)) {
      failures.push({ seq: row.seq, fault: task });
      continue;
    }
    if (!mayHaveLane(shard, task, newLanes)) {
      refusal = NO_LANE;
      break;
    }
    last = nextSeq(last, now);
    planned.push({ seq: last as Seq, task });
    gone.push(row);
    const by = taskId(address, last as Seq);
    const moves = movesOf({ moves: logMove(row, moveTo("FAILED", now, redriveCause(by, mark), {})) });
    records.push(repeatedBy({ ...record, moves, payload: payloadForHistory(row) }, by));
  }
  if (planned.length > 0) {
    reserveSeq(shard, now, last);
    insertTasks(shard, planned, now);
    dropDead(
      shard,
      gone.map(({ seq }) => seq),
    );
    appendHistory(shard, records, now);
  }
  return { records, failures, seen: gone.length + failures.length, refusal };
}

function mayHaveLane(shard: Shard, task: PlannedTask["task"], newLanes: Set<string>): boolean {
  const key = laneKeyFor(task);
  if (!isKeyed(key) || shard.memory.lanes.find(key)) return true;
  const text = laneText(key);
  reclaimLanes(shard, newLanes.size);
  if (!newLanes.has(text) && areLanesFull(shard, newLanes.size)) return false;
  newLanes.add(text);
  return true;
}
