/**
 * What a handler is: the code of one task type. `defineHandler` gives `run` the payload as its schema parses it; the
 * `Handler` it makes has forgotten that type, so that handlers of every payload stand in one registry. A handler may
 * be called more than once for a task (delivery is at least once), so its effects are to be idempotent: that is what
 * `ctx.idempotencyKey` is for.
 */
import type { z } from "zod";
import type { RunId, TaskId } from "../../core/ids.ts";
import type { RetryPolicy } from "../../core/retry.ts";
import type { SpawnedTask } from "../../core/schema/workflow.ts";

export type LogLevel = "debug" | "info" | "warn" | "error";
export type LogFields = Readonly<Record<string, unknown>>;
/** Where a handler's log lines go; the fields carry the task id and the attempt already. */
export type LogSink = (level: LogLevel, message: string, fields: LogFields) => void;
export type TaskLog = Readonly<Record<LogLevel, (message: string, fields?: LogFields) => void>>;

/** Vars, secrets and bindings of the Worker (or of the process) that runs the handler. */
export type HandlerEnv = Readonly<Record<string, unknown>>;

/** What a handler is told and may say while it runs. Its functions may be taken off it. */
export interface TaskContext {
  /** Aborted when the attempt has timed out, the task was cancelled, or its worker has to stop. */
  readonly signal: AbortSignal;
  /** 1 for the first run, one more for each that began after it, whatever became of that one. */
  readonly attempt: number;
  readonly taskId: TaskId;
  /** The same in every attempt of this task, and in no other task: for the Idempotency-Key of what it calls. */
  readonly idempotencyKey: string;
  readonly env: HandlerEnv;
  readonly log: TaskLog;
  /**
   * Tells how far the task is, read back as `progress: {percent, message?}` while it runs. The latest told counts, and
   * it may be told as often as one likes: the shard hears it with what it is told anyway, else twice a second. It never
   * fails a task.
   * @param percent brought to 0..100
   * @param message cut at 1 KiB of UTF-8
   */
  progress(percent: number, message?: string): void;
  /** The run that the task is a node of; null: it is none. */
  readonly workflow: { readonly id: RunId; readonly node: string } | null;
  /**
   * Makes a task of the same run besides: node `{this node}.{key}`. It comes to be when this attempt succeeds, and not
   * otherwise; whoever waits for this node waits for it too. It says of its task what a node of a workflow may, without
   * `compensate`; its payload is data, as it is now. At most 100 an attempt, of 1 MiB together.
   * @throws where the task is no node of a workflow, or what is spawned is wrong: do not catch what it throws
   */
  spawn(task: SpawnedTask): void;
  /**
   * Ends this run and asks to be run again in so many seconds (0 to a year); no attempt is spent. It throws: do not
   * catch what it throws.
   */
  retryLater(seconds: number): never;
}

export interface HandlerDefinition<Schema extends z.ZodType> {
  /** 1 to 128 of `A-Z a-z 0-9 _ . : / -`. */
  readonly type: string;
  /** Raised when the payload changes its meaning. A worker takes tasks of this version and below; newer ones wait. */
  readonly version: number;
  /** Checked at submission (422) and again before each run; synchronous. */
  readonly payload: Schema;
  /** How long an attempt may take, 1 to 600,000 ms; a task's own value goes first, the queue's comes last. */
  readonly timeoutMs?: number;
  /** Field by field: a task's own value goes first, the queue's comes last. */
  readonly retry?: Partial<RetryPolicy>;
  /**
   * For so long after a success its result answers submissions of the same payload, which do not run: 0 (the default,
   * not at all) to 30 days. PUT /types/{type} may say otherwise.
   */
  readonly cacheTtlSeconds?: number;
  /**
   * Makes a payload of this version of one that was submitted under an older one; `payload` checks what it gives.
   * Without it, older payloads are read as they are. What it throws fails the task as `payload-invalid`.
   * @param payload as it was submitted, parsed JSON
   * @param from its version
   */
  upgrade?(payload: unknown, from: number): unknown;
  /**
   * Does the work and answers any JSON of at most 1 MiB. What it throws is tried again, but for
   * {@link import("./errors.ts").NonRetryableError}.
   */
  run(payload: z.output<Schema>, ctx: TaskContext): unknown;
}

/** A handler whose payload type is forgotten. `run` takes what `payload` has parsed, and nothing else. */
export interface Handler {
  readonly type: string;
  readonly version: number;
  readonly payload: z.ZodType;
  readonly timeoutMs?: number;
  readonly retry?: Partial<RetryPolicy>;
  readonly cacheTtlSeconds?: number;
  upgrade?(payload: unknown, from: number): unknown;
  run(payload: unknown, ctx: TaskContext): unknown;
}

/** Defines the handler of a task type; see {@link HandlerDefinition} for each field. */
export function defineHandler<Schema extends z.ZodType>(definition: HandlerDefinition<Schema>): Handler {
  return {
    ...definition,
    run: (payload, ctx) => definition.run(payload as z.output<Schema>, ctx),
  };
}
