/**
 * Changes a task that waits: its priority, its time, its payload; or lets it run now. What runs or has ended stays as it
 * is. A task that is tried again later gives up its pause for another time, as one that is put off does.
 */

import type { ChangeRequest, TaskAnswer, TaskChanges } from "../../../core/schema/rpc.ts";
import { iso } from "../../../core/task.ts";
import { afterOperation } from "../after.ts";
import { readOne } from "../reads/read.ts";
import { refuse, type Shard } from "../shard.ts";
import { recordOf, type TaskRow, uncachedOptions, waitingRow } from "../task-rows.ts";
import { type Changes, changeWaiting } from "./change-waiting.ts";

export function change(shard: Shard, { seq, rev, changes }: ChangeRequest): TaskAnswer {
  const now = shard.ports.now();
  if (!shard.memory.hasTables) return { v: 1, ok: true, task: null };
  const row = waitingRow(shard.sql, seq);
  const known = row ? recordOf(row) : readOne(shard, seq);
  if (known !== null && rev !== null && known.rev !== rev)
    return refuse("rev-mismatch", `the task has revision ${known.rev} by now, not ${rev}`);
  if (known?.status === "RUNNING") return refuse("task-running", "what runs cannot be changed; it can be cancelled");
  if (!row) return { v: 1, ok: true, task: known };
  const { runAt } = changes;
  if (typeof runAt === "number" && row.expires_at !== null && row.expires_at <= runAt)
    return {
      ...refuse("invalid-request", `is not before ${iso(row.expires_at)}, when the task expires`),
      pointer: "/runAt",
    };
  const wanted = changesOf(row, changes, now);
  // Asked to run now, a task that is ready already is as it was asked to be.
  if (wanted === null) return { v: 1, ok: true, task: known };
  const next = shard.transact(() => changeWaiting(shard, row, wanted, causeOf(changes), now));
  afterOperation(shard, now);
  return { v: 1, ok: true, task: recordOf(next) };
}

/** null: there is nothing to change. */
function changesOf(row: TaskRow, { priority, runAt, payload }: TaskChanges, now: number): Changes | null {
  const changes: Changes = {
    ...(priority !== undefined && { priority }),
    ...(payload !== undefined && {
      payload: payload.text,
      version: payload.version,
      options: uncachedOptions(row),
    }),
    ...(runAt !== undefined && whenOf(row, runAt, now)),
  };
  return Object.keys(changes).length === 0 ? null : changes;
}

function whenOf(row: TaskRow, runAt: number | null, now: number): Changes {
  if (row.status === "BLOCKED") return { run_at: runAt };
  if (runAt === null || runAt <= now) return row.status === "QUEUED" ? {} : { status: "QUEUED", run_at: now };
  return { status: row.status === "RETRYING" ? "RETRYING" : "SCHEDULED", run_at: runAt };
}

function causeOf({ priority, runAt, payload }: TaskChanges): string {
  if (runAt === null) return "asked to run now";
  const told = { priority, runAt, payload };
  const names = Object.entries(told).flatMap(([name, value]) => (value === undefined ? [] : [name]));
  return `changed: ${names.join(", ")}`;
}
