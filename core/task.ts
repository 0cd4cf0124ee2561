/**
 * A task as its users see it: a discriminated union, where each status has only its own fields. `TaskRecord` is the
 * same task as it travels inside (one flat shape, payload and result as JSON text); `toTask` is the one way out.
 */
import { assertNever } from "./assert-never.ts";
import type { AttemptError } from "./errors.ts";
import type { QueueName, RunId, Seq } from "./ids.ts";
import { type TaskId, taskId } from "./ids.ts";
import type { Progress } from "./progress.ts";
import type { TaskOptions } from "./schema/rpc.ts";
import type { CacheMode } from "./schema/submission.ts";
import type { PartOf } from "./schema/workflow-rpc.ts";
import type { FinishedStatus, Status } from "./status.ts";

/** How one attempt ended; `null` while it runs. */
export type AttemptOutcome = "succeeded" | "failed" | "crashed" | "snoozed" | "returned" | "cancelled" | null;

export interface Attempt {
  readonly attempt: number;
  /** Unix ms. */
  readonly startedAt: number;
  readonly endedAt: number | null;
  /** Who ran it. */
  readonly worker: string;
  readonly outcome: AttemptOutcome;
  readonly error: AttemptError | null;
  /** Of the handler that ran it, where that is later than the task's: its payload was upgraded for it. */
  readonly handlerVersion?: number;
}

/**
 * One row of the timeline: what the task became, when (Unix ms), why; until when (Unix ms) it is to wait there; and the
 * attempt that ended by it.
 */
export type MoveRecord = readonly [status: Status, at: number, cause: string, until?: number | null, attempt?: number];

/** Why a task is what it is at first. */
export const SUBMITTED = "submitted";

/** What runs was asked to: the one move that leads to where the task is already. */
export const ASKED_TO_STOP = "asked to stop";

/** In the place of a payload that is not kept: no JSON text is empty. */
export const NO_PAYLOAD = "";

/** The options that have no place of their own in a record. */
export type RunOptions = Omit<TaskOptions, "tags" | "replayOf" | "replayedBy" | "partOf" | "cache" | "payloadKey">;

/** What ties a task to keys and to other tasks. */
export interface TaskLinks {
  readonly limitKey?: string;
  readonly fairnessKey?: string;
  /** The task that this one repeats. */
  readonly replayOf?: TaskId;
  /** Those that repeat this one, the earliest first. */
  readonly replayedBy?: readonly TaskId[];
  /** The task whose result, kept, is this one's. */
  readonly cachedFrom?: TaskId;
  readonly partOf?: PartOf;
}

/** A task inside the system: what a shard reads, what history keeps. Times are Unix ms. */
export interface TaskRecord {
  readonly seq: Seq;
  readonly rev: number;
  readonly status: Status;
  readonly type: string;
  readonly version: number;
  readonly priority: number;
  /** JSON text, or {@link NO_PAYLOAD}. */
  readonly payload: string;
  readonly tags: readonly string[];
  readonly createdAt: number;
  /** When it is or was to run, where later than at once; for RETRYING the next attempt. */
  readonly runAt: number | null;
  readonly endedAt: number | null;
  readonly attempts: readonly Attempt[];
  /** Attempts left out of the list because it is full (first and latest are kept). */
  readonly attemptsDropped: number;
  readonly crashes: number;
  readonly moves: readonly MoveRecord[];
  /** JSON text; SUCCEEDED only. */
  readonly result: string | null;
  /** Unix ms after which the result is not given any more. */
  readonly resultExpiresAt: number | null;
  readonly error: AttemptError | null;
  /** JSON text of a {@link Progress}, as the handler last told; RUNNING only. */
  readonly progress: string | null;
  /** Unix ms by which a task that lives must have begun, where it was told. */
  readonly startBy?: number;
  /** RUNNING only: somebody asked for its cancellation. */
  readonly cancelRequested?: true;
  /** Absent where it is tied to nothing. */
  readonly links?: TaskLinks;
  /** What it was told of how it is run and kept; absent where that was nothing. */
  readonly options?: RunOptions;
}

/** `RunOptions`: what it was told of how it runs and is kept, its type's word included; absent: its queue's settings. */
interface TaskBase extends Omit<TaskLinks, "cachedFrom" | "partOf">, Omit<RunOptions, "cacheMode"> {
  readonly id: TaskId;
  readonly queue: QueueName;
  readonly type: string;
  /** Of its type, that its payload was checked by. */
  readonly version: number;
  readonly priority: number;
  readonly tags: readonly string[];
  readonly createdAt: string;
  readonly attempts: readonly AttemptView[];
  readonly rev: number;
  /** While it lives, where it was told. */
  readonly expiresAt?: string;
  /** It did not run: it has the kept result of `source`, an equal task. */
  readonly cached?: true;
  readonly source?: TaskId;
  /** What it was told of the result cache. */
  readonly cache?: CacheMode;
  /** The run that it is a node of. */
  readonly workflow?: { readonly id: RunId; readonly node: string };
  /** The schedule that fired it. */
  readonly schedule?: { readonly id: string; readonly fireAt: string };
}

export interface AttemptView {
  readonly attempt: number;
  readonly startedAt: string;
  readonly endedAt: string | null;
  readonly worker: string;
  readonly outcome: AttemptOutcome;
  /** The stack stays inside. */
  readonly error: Omit<AttemptError, "stack"> | null;
  readonly handlerVersion?: number;
}

export type Task = TaskBase &
  (
    | { readonly status: "SCHEDULED"; readonly runAt: string }
    | { readonly status: "BLOCKED" }
    | { readonly status: "QUEUED" }
    | {
        readonly status: "RUNNING";
        readonly startedAt: string | null;
        readonly progress?: Progress;
        readonly cancelRequested?: true;
      }
    | { readonly status: "RETRYING"; readonly runAt: string; readonly error: Omit<AttemptError, "stack"> | null }
    | { readonly status: "SUCCEEDED"; readonly endedAt: string }
    | { readonly status: "FAILED"; readonly endedAt: string; readonly error: Omit<AttemptError, "stack"> }
    | {
        readonly status: "CANCELLED" | "EXPIRED";
        readonly endedAt: string;
        readonly error: Omit<AttemptError, "stack"> | null;
      }
  );

/** What `GET /tasks/{id}` answers for a finished task. */
export interface TaskResult {
  readonly id: TaskId;
  readonly status: FinishedStatus;
  readonly result?: unknown;
  readonly error?: Omit<AttemptError, "stack">;
  readonly resultType: string;
  readonly attempts: number;
}

export function iso(ms: number): string {
  return new Date(ms).toISOString();
}

/** As it is shown: the stack stays inside. */
export function publicError(error: AttemptError): Omit<AttemptError, "stack"> {
  const { stack: _inside, ...rest } = error;
  return rest;
}

/** The attempt as it is shown: times as RFC 3339, no stack. */
export function toAttemptView(attempt: Attempt): AttemptView {
  return {
    ...attempt,
    startedAt: iso(attempt.startedAt),
    endedAt: attempt.endedAt === null ? null : iso(attempt.endedAt),
    error: attempt.error && publicError(attempt.error),
  };
}

const unknownError: AttemptError = { code: "handler-error", message: "no error was recorded", class: "Error" };

const NO_LINKS: TaskLinks = {};
const NO_OPTIONS: RunOptions = {};

function showPart(partOf: PartOf): Pick<TaskBase, "workflow" | "schedule"> {
  return "run" in partOf
    ? { workflow: { id: partOf.run, node: partOf.node } }
    : { schedule: { id: partOf.schedule, fireAt: iso(partOf.fireAt) } };
}

/** A record as its user sees it. */
export function toTask(queue: QueueName, shard: number, record: TaskRecord): Task {
  const { cachedFrom, partOf, ...links } = record.links ?? NO_LINKS;
  const { cacheMode, ...options } = record.options ?? NO_OPTIONS;
  const base: TaskBase = {
    id: taskId({ queue, shard }, record.seq),
    queue,
    type: record.type,
    version: record.version,
    priority: record.priority,
    tags: record.tags,
    createdAt: iso(record.createdAt),
    attempts: record.attempts.map(toAttemptView),
    rev: record.rev,
    ...(record.startBy !== undefined && { expiresAt: iso(record.startBy) }),
    ...links,
    ...(cachedFrom !== undefined && { cached: true as const, source: cachedFrom }),
    ...(partOf && showPart(partOf)),
    ...options,
    ...(cacheMode !== undefined && { cache: cacheMode }),
  };
  const endedAt = iso(record.endedAt ?? record.createdAt);
  const { status } = record;
  switch (status) {
    case "SCHEDULED":
      return { ...base, status, runAt: iso(record.runAt ?? record.createdAt) };
    case "RETRYING":
      return {
        ...base,
        status,
        runAt: iso(record.runAt ?? record.createdAt),
        error: record.error && publicError(record.error),
      };
    case "RUNNING": {
      const startedAt = record.attempts.at(-1)?.startedAt;
      return {
        ...base,
        status,
        startedAt: startedAt === undefined ? null : iso(startedAt),
        ...(record.progress !== null && { progress: JSON.parse(record.progress) as Progress }),
        ...(record.cancelRequested && { cancelRequested: true as const }),
      };
    }
    case "BLOCKED":
    case "QUEUED":
      return { ...base, status };
    case "SUCCEEDED":
      return { ...base, status, endedAt };
    case "CANCELLED":
    case "EXPIRED":
      return { ...base, status, endedAt, error: record.error && publicError(record.error) };
    case "FAILED":
      return { ...base, status, endedAt, error: publicError(record.error ?? unknownError) };
    default:
      return assertNever(status);
  }
}
