/**
 * What silence means. A session whose lease ended (locally: that belongs to an earlier boot) is gone: its begun tasks
 * crashed, the others go back unharmed. A task that hangs in a session that lives ends as `timeout` after its deadline.
 */
import type { AttemptError } from "../../../core/errors.ts";
import type { Seq } from "../../../core/ids.ts";
import { CANCEL_GRACE_MS, DEADLINE_GRACE_MS, deadlineOf, type HeldClaim, judgeCrash } from "../../../core/lease.ts";
import { mergeRetry, retryDelay } from "../../../core/retry.ts";
import type { TaskRecord } from "../../../core/task.ts";
import type { Session } from "../memory.ts";
import type { Shard } from "../shard.ts";
import { heldRows, optionsOf, type TaskRow } from "../task-rows.ts";
import { leaveRunning } from "./leave-running.ts";
import { forgetSession, saveSession } from "./session-rows.ts";
import { endFailedAttempt, giveBackLost } from "./settle.ts";

/** Ends every session whose lease is over; inside a transaction. @returns tasks that are finished by it */
export function rescueLostSessions(shard: Shard, now: number): TaskRecord[] {
  const ended: TaskRecord[] = [];
  for (const session of [...shard.memory.sessions.values()]) {
    if (session.leaseUntil > now) continue;
    for (const row of heldRows(shard.sql, session.id, [...session.claims.keys()])) {
      const held = session.claims.get(row.seq);
      if (!held) continue;
      if (held.startedAt === null)
        ended.push(...giveBackLost(shard, session, row, "its session was lost before it began", now));
      else ended.push(...crash(shard, session, row, held, held.startedAt, now));
    }
    forgetSession(shard, session, now);
  }
  return ended;
}

function crash(
  shard: Shard,
  session: Session,
  row: TaskRow,
  held: HeldClaim,
  startedAt: number,
  now: number,
): TaskRecord[] {
  const options = optionsOf(row);
  const settings = shard.memory.settings;
  const verdict = judgeCrash({ crashes: row.crashes, soloCrashes: row.solo_crashes }, session.solo, {
    maxCrashes: options.maxCrashes ?? settings?.maxCrashes ?? 1,
    onCrash: options.onCrash ?? "retry",
  });
  const { crashes, soloCrashes } = verdict;
  const error: AttemptError = {
    code: verdict.kind === "end" ? verdict.code : "crashed",
    message: `the worker was lost while it ran attempt ${held.attempt}${session.solo ? ", alone" : ""}`,
    class: "WorkerLost",
  };
  const attempt = { startedAt, endedAt: now, outcome: "crashed", error } as const;
  const counted = { crashes, soloCrashes, error, attempt };
  if (verdict.kind === "end")
    return leaveRunning(shard, session, row, { to: "FAILED", cause: error.code, ...counted }, now);
  const retry = mergeRetry(options.retry, settings?.retry);
  const runAt = now + retryDelay(retry, crashes, shard.ports.random());
  const { mode } = verdict;
  return leaveRunning(shard, session, row, { to: "RETRYING", cause: "crashed", runAt, mode, ...counted }, now);
}

/** Ends attempts that outlived their deadline though their session lives; inside a transaction. */
export function endHungAttempts(shard: Shard, now: number): TaskRecord[] {
  const { memory } = shard;
  if (memory.deadlineHint === null || memory.deadlineHint > now) return [];
  const ended: TaskRecord[] = [];
  memory.deadlineHint = null;
  for (const session of memory.sessions.values()) {
    const claims = session.claims.size;
    ended.push(...endHungOf(shard, session, now));
    if (session.claims.size < claims) saveSession(shard, session);
  }
  return ended;
}

/**
 * Those of one session, which the caller saves. It lives if it has spoken since the attempt's own time was up: a silent
 * one may have died of the task, and that counts otherwise; its next turn tells, or the end of its lease. What was
 * cancelled ends the same way whoever lives.
 */
export function endHungOf(shard: Shard, session: Session, now: number): TaskRecord[] {
  const { memory, sql } = shard;
  const hung: Seq[] = [];
  session.isOverdue = false;
  for (const claim of session.claims.values()) {
    const deadline = deadlineOf(claim);
    if (deadline === null) continue;
    if (deadline > now) memory.deadlineHint = Math.min(memory.deadlineHint ?? deadline, deadline);
    else if (claim.cancelAt !== null || session.lastTurnAt >= deadline - DEADLINE_GRACE_MS) hung.push(claim.seq);
    else session.isOverdue = true;
  }
  const ended: TaskRecord[] = [];
  for (const row of heldRows(sql, session.id, hung)) {
    const held = session.claims.get(row.seq);
    if (!held) continue;
    if (held.cancelAt === null) ended.push(...endFailedAttempt(shard, session, row, hungError(held, now), now));
    else ended.push(...endUnstopped(shard, session, row, held, now));
  }
  return ended;
}

/** It was cancelled, and its worker has not said that it stopped. */
function endUnstopped(shard: Shard, session: Session, row: TaskRow, held: HeldClaim, now: number): TaskRecord[] {
  const cause = `not stopped within ${CANCEL_GRACE_MS} ms`;
  const { startedAt } = held;
  if (startedAt === null) return leaveRunning(shard, session, row, { to: "QUEUED", cause }, now);
  const error: AttemptError = { code: "cancelled", message: cause, class: "Cancelled" };
  const attempt = { startedAt, endedAt: now, outcome: "cancelled", error } as const;
  return leaveRunning(shard, session, row, { to: "QUEUED", cause, attempt }, now);
}

function hungError(held: HeldClaim, now: number) {
  const message = `no outcome came within ${held.timeoutMs} ms`;
  return {
    error: { code: "timeout", message, class: "TimeoutError" } satisfies AttemptError,
    retryable: true,
    startedAt: held.startedAt ?? now,
    endedAt: now,
  };
}
