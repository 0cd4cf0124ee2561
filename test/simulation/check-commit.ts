/**
 * What must be true of everything that becomes durable: each move is in core's table, no number is given twice, what has
 * ended never moves again, and its record is in the outbox or in D1 until D1 has it.
 */

import { parseTaskId, type Seq } from "../../core/ids.ts";
import { canMove } from "../../core/moves.ts";
import { mergeRetry } from "../../core/retry.ts";
import type { QueueSettings } from "../../core/schema/queue-settings.ts";
import type { TaskOptions } from "../../core/schema/rpc.ts";
import type { Status } from "../../core/status.ts";
import type { GatedSql } from "../../durable-objects/sql/node-gate.ts";
import { type HistoryBody, unpackBody } from "../../history/outbox-body.ts";
import { recordOfRow } from "../../history/record.ts";
import { checkCached } from "./check-cached.ts";
import { checkBlocked } from "./check-nodes.ts";
import { lifeOf } from "./draw-task.ts";
import { checkStaysErased } from "./erasures.ts";
import type { SimulatedHistory } from "./history-database.ts";
import type { KnownTask, Model } from "./model.ts";
import type { Script } from "./script.ts";
import type { Tally } from "./tally.ts";
import { must } from "./violation.ts";
import type { Seen, SeenMove } from "./witness.ts";

const OUTBOX = "SELECT body, payload, result FROM outbox WHERE lo <= ? AND hi >= ?";

export interface CommitDeps {
  readonly model: Model;
  readonly history: SimulatedHistory;
  readonly tally: Tally;
  readonly gate: GatedSql;
  /** The object's clock, Unix ms; null: it has jumped, and says little about ages. */
  readonly now: number | null;
  readonly settings: QueueSettings;
}

export function checkCommit({ moves, flushes, records }: Seen, deps: CommitDeps): void {
  const ended: SeenMove[] = [];
  for (const move of moves) {
    deps.tally.count(`${move.was} to ${move.now}`);
    if (move.was === "NEW") bear(move, deps);
    else if (isReplacement(move)) replace(move, deps);
    else if (checkMove(move, deps)) ended.push(move);
  }
  for (const record of records.flatMap(unpackBody).map(recordOfRow)) {
    checkStaysErased(record, deps.model);
    if (record.links?.cachedFrom !== undefined) checkCached(record, record.links.cachedFrom, deps);
  }
  for (const { seq, was } of ended) {
    const status = endOf(seq, deps);
    const now = deps.model.tasks.get(seq)?.status;
    if (status === "EXPIRED") deps.tally.count(status);
    const isRight = now === "GONE" ? mayBeGone(seq, was, status, deps) : status === now;
    must(isRight, () => `task ${seq} is ${now} in the shard, was ${was}, but ${status} in outbox and D1`);
  }
  for (const flush of flushes)
    for (const [seq] of unpackBody(flush))
      must(endOf(seq, deps) !== null, () => `task ${seq} left the outbox, but D1 does not have it`);
}

const FIRST_SEQ = "SELECT first_seq FROM shard";

/** By the mark it is told for ever which tasks are of a deleted queue, and no new one is taken for one of them. */
export function checkMark({ moves, forgotten }: Seen, { model, gate }: Pick<CommitDeps, "model" | "gate">): void {
  const first = gate.all<{ first_seq: number }>(FIRST_SEQ)[0]?.first_seq ?? 0;
  const born = moves.find(({ was, seq }) => was === "NEW" && seq < first);
  must(born === undefined, () => `task ${born?.seq} is below ${first}, as those of the deleted queue are`);
  if (!forgotten) return;
  for (const seq of model.forgotten.keys())
    must(seq < first, () => `task ${seq} was forgotten and is not below ${first}`);
}

/**
 * A row goes by success, which a run has, because somebody said so, or because its time to begin was over; one that
 * failed, where it was redriven, discarded or one too many in the same commit.
 */
function mayBeGone(seq: Seq, was: Status | "NEW", status: string | null, deps: CommitDeps): boolean {
  const { model, now, settings } = deps;
  if (status === "FAILED" && was === "BLOCKED") return model.ending.has(seq);
  if (status === "FAILED")
    return model.redriven.has(seq) || model.discarded.has(seq) || settings.deadLettersMax < MANY_DEAD;
  if (status === "SUCCEEDED") return was === "RUNNING";
  if (status === "CANCELLED") return model.asked.has(seq);
  const expiresAt = model.tasks.get(seq)?.expiresAt ?? Number.POSITIVE_INFINITY;
  return status === "EXPIRED" && !model.stopping.has(seq) && (now === null || expiresAt <= now);
}

/** A change keeps the script but for its time. */
function isReplacement({ payload }: SeenMove): boolean {
  return payload !== "" && (JSON.parse(payload) as Script).isEdited !== true;
}

const GENERATION = "SELECT settings ->> 'generation' AS generation FROM shard";

export function generationOf(gate: GatedSql): number {
  return gate.all<{ generation: number }>(GENERATION)[0]?.generation ?? 0;
}

/** It waits, and is another task from now on: only what waits for its backoff goes on waiting for that. */
function replace({ seq, was, now, payload, options, expires_at }: SeenMove, { model, tally }: CommitDeps): void {
  const task = model.tasks.get(seq);
  must(task !== undefined && task.status === was, () => `task ${seq} was replaced while ${was}`);
  const isPutOff = now === "SCHEDULED" || now === "QUEUED";
  const isRight = was === "RETRYING" ? now === was : isPutOff && (was === "SCHEDULED" || was === "QUEUED");
  must(isRight, () => `task ${seq} was ${was}, and replaced as ${now}`);
  task.status = now;
  task.replacedAfter = task.executions.length;
  tally.count("replaced");
  task.script = JSON.parse(payload) as Script;
  task.options = options === null ? {} : (JSON.parse(options) as TaskOptions);
  task.expiresAt = expires_at;
  must(!model.byId.has(task.script.id), () => `submission ${task.script.id} replaced a task, and had become one`);
  model.byId.set(task.script.id, task);
}

function bear({ seq, now, payload, options, expires_at }: SeenMove, { model, now: clock, gate }: CommitDeps): void {
  must(!model.numbers.has(seq), () => `number ${seq} was given twice`);
  must(now !== "GONE" && canMove("NEW", now), () => `task ${seq} was born ${now}`);
  model.numbers.add(seq);
  const task: KnownTask = {
    seq,
    generation: generationOf(gate),
    script: JSON.parse(payload) as Script,
    options: options === null ? {} : (JSON.parse(options) as TaskOptions),
    replacedAfter: null,
    bornAt: clock ?? 0,
    expiresAt: expires_at,
    executions: [],
    source: null,
    status: now,
  };
  model.tasks.set(seq, task);
  if (isRedrive(task, model)) return;
  // A clock that jumped may have ended the life of the key under which it was repeated.
  const isOnce = clock === null || !model.byId.has(task.script.id);
  must(isOnce, () => `submission ${task.script.id} became two tasks`);
  checkKey(task, model, clock, gate);
  model.byId.set(task.script.id, task);
}

/** Of a dead letter, which is one no longer, and becomes no other. It keeps its number, and leaves the key. */
function isRedrive({ seq, script, options }: KnownTask, model: Model): boolean {
  const of = options.replayOf && parseTaskId(options.replayOf)?.seq;
  const old = of && model.tasks.get(of);
  if (!old || old.script.id !== script.id) return false;
  must(old.status === "FAILED", () => `task ${of} was ${old.status} when ${seq} was made of it`);
  must(!model.redriven.has(of), () => `task ${of} became ${model.redriven.get(of)}, and then ${seq}`);
  model.redriven.set(of, seq);
  const mark = options.timeoutMs ?? 0;
  model.redrives.set(mark, (model.redrives.get(mark) ?? 0) + 1);
  return true;
}

const ATTEMPT = "SELECT attempt FROM task WHERE seq = ?";

/** A key is its task's for as long as that asked; only then another one is made under it. */
export function checkKey(task: KnownTask, { byKey }: Model, clock: number | null, sql: GatedSql): void {
  const { key } = task.script;
  if (key === undefined) return;
  const holder = byKey.get(key);
  byKey.set(key, task);
  if (!holder) return;
  const { within, ttlMs } = lifeOf(key);
  const { status } = holder;
  const hasEnded = status === "GONE" || status === "FAILED";
  if (within === "queued") {
    const hasBegun = (sql.all<{ attempt: number }>(ATTEMPT, holder.seq)[0]?.attempt ?? 1) > 0;
    must(
      hasEnded || hasBegun || status === "RUNNING",
      () => `${task.seq} was made under ${key} while ${holder.seq} was ${status}`,
    );
  } else if (within === "running")
    must(hasEnded, () => `${task.seq} was made under ${key} while ${holder.seq} was ${status}`);
  else if (clock !== null)
    must(clock - holder.bornAt >= ttlMs, () => `${task.seq} was made under ${key} ${clock - holder.bornAt} ms after`);
}

/** @returns whether the task has ended by it */
function checkMove(move: SeenMove, deps: CommitDeps): boolean {
  const { seq, was, now, ended_at } = move;
  const task = deps.model.tasks.get(seq);
  must(task !== undefined, () => `task ${seq} moved before it was born`);
  must(task.status === was, () => `task ${seq} went from ${was} to ${now}, but was ${task.status}`);
  task.status = now;
  if (was === "BLOCKED") checkBlocked(move, task, deps.model);
  if (was === now) return false;
  if (now !== "GONE") {
    must(!deps.model.stopping.has(seq), () => `task ${seq} was asked to stop, and went from ${was} to ${now}`);
    if (was === "RUNNING" && !task.replacedAfter) checkSpent(task, now, deps);
    must(canMove(was, now), () => `task ${seq} went from ${was} to ${now}`);
    return now === "FAILED";
  }
  if (was !== "FAILED") return true;
  const age = deps.now === null ? Number.POSITIVE_INFINITY : deps.now - (ended_at ?? 0);
  const isPast =
    age >= deps.settings.historyTtlSeconds * 1_000 ||
    [deps.model.discarded, deps.model.redriven, deps.model.erasing].some((those) => those.has(seq)) ||
    isOneTooMany(deps);
  must(isPast, () => `dead letter ${seq} was forgotten after ${age} ms`);
  return false;
}

const MANY_DEAD = 100;

/** A dead letter goes with the death of another, where that is more than the queue may hold. */
function isOneTooMany({ model, settings, tally }: CommitDeps): boolean {
  const others = [...model.tasks.values()].filter(({ status }) => status === "FAILED").length;
  if (others < settings.deadLettersMax) return false;
  tally.count("one dead letter too many");
  return true;
}

/** How the task ended, as outbox or D1 tell it; null: neither knows. */
function endOf(seq: Seq, { gate, history }: CommitDeps): string | null {
  for (const row of gate.all<HistoryBody>(OUTBOX, seq, seq))
    for (const record of unpackBody(row).map(recordOfRow)) if (record.seq === seq) return record.status;
  return history.find(seq)?.status ?? null;
}

const COUNTS = "SELECT spent, crashes FROM task WHERE seq = ?";

/** What has used up its attempts or its crashes has ended. */
function checkSpent({ seq, options }: KnownTask, now: Status, { gate, settings }: CommitDeps): void {
  const counts = gate.all<{ spent: number; crashes: number }>(COUNTS, seq)[0];
  if (!counts) return;
  const { maxAttempts } = mergeRetry(options.retry, settings.retry);
  const maxCrashes = options.maxCrashes ?? settings.maxCrashes;
  const most = now === "FAILED" ? 0 : 1;
  must(counts.spent <= maxAttempts - most, () => `${seq} is ${now} after ${counts.spent} of ${maxAttempts} attempts`);
  must(counts.crashes <= maxCrashes - most, () => `${seq} is ${now} after ${counts.crashes} of ${maxCrashes} crashes`);
}
