/**
 * Changes a task that waits: its priority, its time, its payload; or lets it run now. What runs or has ended stays as it
 * is, and so does one that is as it is asked to be. A task that is tried again later gives up its pause for another time,
 * as one that is put off does. With another payload it loses the key that was made of the one before.
 */
import { canonicalJson } from "../../../core/json.ts";
import type { ChangeRequest, TaskAnswer, TaskChanges } from "../../../core/schema/rpc.ts";
import { iso } from "../../../core/task.ts";
import { afterOperation } from "../after.ts";
import { readOne } from "../reads/read.ts";
import { refuse, type Shard } from "../shard.ts";
import { forgetKey } from "../submit/dedup-rows.ts";
import { changedOptions, optionsOf, recordOf, type TaskRow, waitingRow } from "../task-rows.ts";
import { type Changes, changeWaiting } from "./change-waiting.ts";
import { findRevisionFault } from "./revision.ts";

export function change(shard: Shard, { seq, rev, changes }: ChangeRequest): TaskAnswer {
  const now = shard.ports.now();
  if (!shard.memory.hasTables) return { v: 1, ok: true, task: null };
  const row = waitingRow(shard.sql, seq);
  const known = row ? recordOf(row) : readOne(shard, seq);
  const fault = rev === null ? null : findRevisionFault(known, rev);
  if (fault) return fault;
  if (known?.status === "RUNNING") return refuse("task-running", "what runs cannot be changed; it can be cancelled");
  if (!row) return { v: 1, ok: true, task: known };
  const { runAt } = changes;
  if (typeof runAt === "number" && row.expires_at !== null && row.expires_at <= runAt)
    return {
      ...refuse("invalid-request", `is not before ${iso(row.expires_at)}, when the task expires`),
      pointer: "/runAt",
    };
  const wanted = changesOf(row, changes, now);
  if (wanted === null) return { v: 1, ok: true, task: known };
  const next = shard.transact(() => {
    const { payloadKey } = optionsOf(row);
    const changed = changeWaiting(shard, row, wanted, causeOf(wanted, runAt), now);
    if (payloadKey !== undefined && optionsOf(changed).payloadKey === undefined) forgetKey(shard, payloadKey, seq);
    return changed;
  });
  afterOperation(shard, now);
  return { v: 1, ok: true, task: recordOf(next) };
}

/** null: it is so already. */
function changesOf(row: TaskRow, { priority, runAt, payload }: TaskChanges, now: number): Changes | null {
  const changes: Changes = {
    ...(priority !== undefined && priority !== row.priority && { priority }),
    ...(payload && payloadOf(row, payload)),
    ...(runAt !== undefined && whenOf(row, runAt, now)),
  };
  return Object.keys(changes).length === 0 ? null : changes;
}

function payloadOf(row: TaskRow, { text, version }: NonNullable<TaskChanges["payload"]>): Changes {
  const isSame = text === row.payload || canonical(text) === canonical(row.payload);
  if (isSame && version === row.version) return {};
  return { payload: text, version, options: changedOptions(row, isSame) };
}

function canonical(text: string): string {
  return canonicalJson(JSON.parse(text));
}

/** Asked to run at once, a task that is ready already is as it was asked to be. */
function whenOf(row: TaskRow, runAt: number | null, now: number): Changes {
  if (row.status === "BLOCKED") return runAt === row.run_at ? {} : { run_at: runAt };
  if (runAt === null || runAt <= now) return row.status === "QUEUED" ? {} : { status: "QUEUED", run_at: now };
  if (row.status !== "QUEUED" && runAt === row.run_at) return {};
  return { status: row.status === "RETRYING" ? "RETRYING" : "SCHEDULED", run_at: runAt };
}

/** What is otherwise now. */
function causeOf(changes: Changes, runAt: number | null | undefined): string {
  const told = { priority: changes.priority, runAt: changes.run_at, payload: changes.payload };
  const names = Object.entries(told).flatMap(([name, value]) => (value === undefined ? [] : [name]));
  if (runAt !== null || changes.status !== "QUEUED") return `changed: ${names.join(", ")}`;
  const others = names.filter((name) => name !== "runAt");
  return ["asked to run now", ...(others.length > 0 ? [`changed: ${others.join(", ")}`] : [])].join("; ");
}
