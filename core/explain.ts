/**
 * Why a task is where it is, in words and numbers: what holds one that waits back and when it may start at the earliest,
 * who runs one that runs, how one ended. Pure; the shard gathers the facts.
 * Must stay true: `earliestStart` is a time only where the clock alone decides, and nothing starts before it.
 */

import { assertNever } from "./assert-never.ts";
import { countOf } from "./count-of.ts";
import type { WaitingFacts } from "./explain-facts.ts";
import { queueReasons } from "./explain-queued.ts";
import type { Bounded, Reason, ReasonCode } from "./explain-reasons.ts";
import { deadlineOf, type HeldClaim } from "./lease.ts";
import { isFinished, type Status } from "./status.ts";
import { iso, publicError, type TaskRecord } from "./task.ts";
import { tellNoWorker, tellPaused, tellStopping } from "./tell-reasons.ts";

export interface WaitingExplanation {
  readonly summary: string;
  /** `now`: nothing holds it back. A time (RFC 3339): not before it. null: what holds it back has no time that is known. */
  readonly earliestStart: string | null;
  /** Of the reasons, the one that says so; null where it is `now`. */
  readonly decidedBy: ReasonCode | null;
  readonly reasons: readonly Reason[];
}
export interface RunningExplanation {
  readonly summary: string;
  readonly running: {
    readonly worker: string;
    readonly attempt: number;
    /** null: it is in its worker's hands, and has not begun. */
    readonly startedAt: string | null;
    /** When it is ended though its worker says nothing; null: it has not begun. */
    readonly deadline: string | null;
    /** Until when its worker is believed to live without a word. */
    readonly leaseUntil: string;
    readonly cancelRequested: boolean;
  };
}
export interface EndedExplanation {
  readonly summary: string;
  readonly ended: { readonly at: string; readonly attempts: number; readonly error?: object };
}

/** What a shard, or history, says of one task. */
export type Explanation = { readonly status: Status } & (WaitingExplanation | RunningExplanation | EndedExplanation);

/** The most telling first: what somebody decided, then the clock, then limits, then the turn. */
export function explainWaiting(facts: WaitingFacts): WaitingExplanation {
  const bounded = [...generalReasons(facts), ...(facts.task.status === "QUEUED" ? queueReasons(facts) : [])];
  const reasons = bounded.map(({ reason }) => reason);
  if (facts.task.status === "BLOCKED")
    return { summary: "It waits for other tasks.", earliestStart: null, decidedBy: null, reasons };
  const unknown = bounded.find(({ until }) => until === "unknown")?.reason;
  if (unknown) return { summary: unknown.detail, earliestStart: null, decidedBy: unknown.code, reasons };
  let latest: { readonly at: number; readonly reason: Reason } | null = null;
  for (const { reason, until } of bounded)
    if (typeof until === "number" && until > (latest?.at ?? facts.now)) latest = { at: until, reason };
  const { expiresAt } = facts.task;
  if (latest === null) {
    const summary = "Nothing holds it back: it starts as soon as a worker takes it.";
    return { summary, earliestStart: "now", decidedBy: null, reasons };
  }
  if (expiresAt !== null && expiresAt <= latest.at)
    return {
      summary: `It expires at ${iso(expiresAt)}, before it may start (${iso(latest.at)}).`,
      earliestStart: null,
      decidedBy: "expires",
      reasons,
    };
  return { summary: latest.reason.detail, earliestStart: iso(latest.at), decidedBy: latest.reason.code, reasons };
}

/** What holds back any task that waits, whether it is due or not. */
function generalReasons({ task, queue, isPaused, isStopping, knownVersion }: WaitingFacts): Bounded[] {
  const found: Bounded[] = [];
  const { type, version, runAt, expiresAt, status } = task;
  if (isPaused) found.push({ reason: tellPaused(queue), until: "unknown" });
  if (isStopping) found.push({ reason: tellStopping(), until: "unknown" });
  if (runAt !== null && status === "SCHEDULED")
    found.push({
      reason: { code: "scheduled", detail: `It is put off until ${iso(runAt)}.`, until: iso(runAt) },
      until: runAt,
    });
  if (runAt !== null && status === "RETRYING") found.push({ reason: retrying(task, runAt), until: runAt });
  if (knownVersion < version) found.push({ reason: tellNoWorker(type, version, knownVersion), until: "unknown" });
  if (expiresAt !== null)
    found.push({
      reason: {
        code: "expires",
        detail: `It is EXPIRED if it has not begun by ${iso(expiresAt)}.`,
        at: iso(expiresAt),
      },
      until: "no",
    });
  return found;
}

function retrying({ spent, crashes, error }: WaitingFacts["task"], runAt: number): Reason {
  const after = error === null ? "" : ` after ${error.code}: ${error.message}`;
  const until = iso(runAt);
  const last = error === null ? null : { code: error.code, message: error.message };
  return {
    code: "retrying",
    detail: `It is tried again at ${until}${after}.`,
    until,
    attemptsSpent: spent,
    crashes,
    error: last,
  };
}

/** @param session whose claim it is */
export function explainRunning(
  claim: HeldClaim,
  session: { readonly worker: string; readonly leaseUntil: number },
): RunningExplanation {
  const { attempt, startedAt, cancelAt } = claim;
  const { worker, leaseUntil } = session;
  const deadline = deadlineOf(claim);
  const began =
    startedAt === null
      ? `${worker} has it in hand and has not begun it`
      : `Attempt ${attempt} runs since ${iso(startedAt)}, by ${worker}`;
  return {
    summary: `${began}${cancelAt === null ? "" : `; it was asked to stop at ${iso(cancelAt)}`}.`,
    running: {
      worker,
      attempt,
      startedAt: startedAt === null ? null : iso(startedAt),
      deadline: deadline === null ? null : iso(deadline),
      leaseUntil: iso(leaseUntil),
      cancelRequested: cancelAt !== null,
    },
  };
}

/** @param record of a task that has ended, from wherever it is kept */
export function explainEnded(record: TaskRecord): Explanation {
  const { status, endedAt, createdAt, error } = record;
  if (!isFinished(status)) throw new Error(`a task that is ${status} has not ended`);
  const attempts = record.attempts.length + record.attemptsDropped;
  const at = iso(endedAt ?? createdAt);
  const why = error === null ? "" : ` ${error.code}: ${error.message}`;
  const source = record.links?.cachedFrom;
  const times = countOf(attempts, "attempt");
  const told = (): string => {
    switch (status) {
      case "SUCCEEDED":
        return source === undefined
          ? `It succeeded at ${at}, after ${times}.`
          : `It succeeded at ${at}, as it was submitted: by the result of ${source}, an equal task.`;
      case "FAILED":
        return `It failed at ${at}, after ${times}.${why}`;
      case "CANCELLED":
        return `It was cancelled at ${at}, after ${times}.${why}`;
      case "EXPIRED":
        return `It expired at ${at}, after ${times}.${why}`;
      default:
        return assertNever(status);
    }
  };
  return { status, summary: told(), ended: { at, attempts, ...(error !== null && { error: publicError(error) }) } };
}
