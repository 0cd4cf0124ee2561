/**
 * Changes a task that waits: its priority, its time, its payload; or lets it run now. What runs or has ended stays as it
 * is, and so does one that is as it is asked to be. A task that is tried again later gives up its pause for another time,
 * as one that is put off does. With another payload it loses the key that was made of the one before. One that waits for
 * others has its payload and its time of its run, when that releases it.
 */
import { canonicalJson } from "../../../core/json.ts";
import type { Refusal } from "../../../core/schema/answer.ts";
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
  const refusal = row.status === "BLOCKED" ? refuseBlocked(row, changes) : null;
  if (refusal) return refusal;
  const { runAt } = changes;
  if (typeof runAt === "number" && row.expires_at !== null && row.expires_at <= runAt) {
    const detail = `is not before ${iso(row.expires_at)}, when the task expires`;
    return { ...refuse("invalid-request", detail), errors: [{ pointer: "/runAt", detail }] };
  }
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

/** What its run decides when it releases it is nobody else's until then. null: only the rest is to be changed. */
function refuseBlocked(row: TaskRow, { payload, runAt }: TaskChanges): Refusal | null {
  const told = { "/payload": payload, "/runAt": runAt };
  const errors = Object.entries(told).flatMap(([pointer, value]) =>
    value === undefined ? [] : [{ pointer, detail: "is its run's to say while the task is BLOCKED" }],
  );
  if (errors.length === 0) return null;
  const { partOf } = optionsOf(row);
  const whose = partOf && "run" in partOf ? `is the node ${partOf.node} of the run ${partOf.run}, and waits` : "waits";
  return { ...refuse("task-blocked", `The task ${whose} until what it depends on has ended.`), errors };
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
