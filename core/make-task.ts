/**
 * From a submitted task to the one that a shard takes: payload checked against its type and turned into text, times
 * resolved, options put in one fixed order. The stored payload is what was sent, not what the schema made of it: a
 * handler applies its defaults when it runs, so that a later version of it may have others.
 */
import type { z } from "zod";
import { exceedsBytes, KIB, MAX_PAYLOAD_BYTES } from "./bytes.ts";
import type { ErrorCode, FieldError } from "./errors.ts";
import { explainIssues } from "./explain-issues.ts";
import { findJsonProblem, type JsonFault, MAX_JSON_DEPTH } from "./json.ts";
import { parseTime } from "./parse-time.ts";
import type { RetryPolicy } from "./retry.ts";
import type { Callback } from "./schema/callback.ts";
import type { NewTask, TaskOptions } from "./schema/rpc.ts";
import {
  DEFAULT_PRIORITY,
  MAX_DELAY_S,
  PRIORITY_NAMES,
  type PriorityName,
  type SubmittedTask,
} from "./schema/submission.ts";

/** What a handler tells of its type. A {@link TaskType} is made of it once; structurally a Handler is one. */
export interface TypeTold {
  readonly type: string;
  readonly version: number;
  readonly payload: z.ZodType;
  readonly timeoutMs?: number | undefined;
  readonly retry?: { readonly [Field in keyof RetryPolicy]?: RetryPolicy[Field] | undefined } | undefined;
  readonly cacheTtlSeconds?: number | undefined;
}

/** A type as the door knows it. */
export interface TaskType {
  readonly type: string;
  readonly version: number;
  /** null: declared by PUT /types for workers elsewhere; any JSON will do. */
  readonly payload: z.ZodType | null;
  readonly options: Pick<TaskOptions, "timeoutMs" | "retry">;
  /** `options` as text, for a task that says nothing itself; null where neither does. */
  readonly optionsText: string | null;
  /** For how long a result answers equal tasks; 0: not at all. PUT /types may say otherwise. */
  readonly cacheTtlSeconds: number;
}

export interface Fault {
  readonly code: ErrorCode;
  readonly detail: string;
  readonly errors: readonly FieldError[];
}

/** What a type's own handler says of it, laid out for the hot path. */
export function handledType(told: TypeTold): TaskType {
  const options = tidy({ timeoutMs: told.timeoutMs, retry: mergeRetry(told.retry, undefined) });
  return {
    type: told.type,
    version: told.version,
    payload: told.payload,
    options,
    optionsText: optionsText(options),
    cacheTtlSeconds: told.cacheTtlSeconds ?? 0,
  };
}

/** A type that only PUT /types knows. */
export function declaredType(type: string): TaskType {
  return { type, version: 1, payload: null, options: {}, optionsText: null, cacheTtlSeconds: 0 };
}

const FAULTS: Readonly<Record<JsonFault, string>> = {
  "too-deep": `is nested deeper than ${MAX_JSON_DEPTH}`,
  "lone-surrogate": "has half of a surrogate pair, which UTF-8 cannot write",
  "unsafe-number": "is a number that would not survive: whole numbers go to ±9007199254740991, larger ones as strings",
};

/** Where a value is that could not be given back unchanged, and why; null: there is none. */
export function findLoss(value: unknown): FieldError | null {
  const problem = findJsonProblem(value);
  return problem && { pointer: problem.pointer, detail: FAULTS[problem.fault] };
}

/**
 * Checks a payload and gives its text. Depth first: nothing after it recurses further than that.
 * @returns the JSON text, or a fault with pointers from the payload's root
 */
export function checkPayload(payload: unknown, type: TaskType): string | Fault {
  const loss = findLoss(payload);
  if (loss !== null)
    return {
      code: "payload-invalid",
      detail: "The payload has a value that could not be given back unchanged.",
      errors: [loss],
    };
  const text = JSON.stringify(payload);
  if (exceedsBytes(text, MAX_PAYLOAD_BYTES)) {
    const detail = `A payload may have ${MAX_PAYLOAD_BYTES / KIB} KiB of JSON text. Put the data elsewhere and send where it is.`;
    return { code: "payload-too-large", detail, errors: [{ pointer: "", detail: "is too large" }] };
  }
  if (type.payload !== null) {
    const parsed = type.payload.safeParse(payload);
    if (!parsed.success)
      return {
        code: "payload-invalid",
        detail: `The payload does not fit the task type ${type.type}; GET /types/${type.type} shows its schema.`,
        errors: explainIssues(parsed.error.issues),
      };
  }
  return text;
}

/**
 * @param task accepted by `isAcceptable` or its schema
 * @param now Unix ms
 * @param isKeyed it comes under an Idempotency-Key, and may have been accepted before a time that it names: whether that is
 *   over, its shard says
 * @returns the task, or a fault with pointers from the task's root
 */
export function makeTask(task: SubmittedTask, type: TaskType, now: number, isKeyed = false): NewTask | Fault {
  const runAt = timeOf(task, now);
  if (isTooFar(runAt, now)) return TOO_FAR;
  const expiresAt = expiryOf(task, now);
  const isLeftToShard = isKeyed && task.expiresAt !== undefined;
  if (expiresAt !== null && !isLeftToShard && isOver(expiresAt, runAt, now)) {
    const pointer = task.expiresAt === undefined ? "/ttlSeconds" : "/expiresAt";
    return {
      code: "invalid-request",
      detail: NO_TIME,
      errors: [{ pointer, detail: "is over before the task may begin" }],
    };
  }
  const payload = checkPayload(task.payload, type);
  if (typeof payload !== "string") return under("/payload", payload);
  return {
    type: task.type,
    version: type.version,
    priority: priorityOf(task.priority),
    payload,
    runAt,
    options: tellsNothing(task) ? type.optionsText : optionsText({ ...optionsOf(task, type), ...decidedBy(task) }),
    ...(task.limitKey !== undefined && { limitKey: task.limitKey }),
    ...(task.fairnessKey !== undefined && { fairnessKey: task.fairnessKey }),
    ...(expiresAt !== null && { expiresAt }),
  };
}

/** What a task is told whose time to begin is over before it may begin. */
export const NO_TIME = "A task must be given time to begin in.";

export function isOver(expiresAt: number, runAt: number | null, now: number): boolean {
  return expiresAt <= Math.max(now, runAt ?? now);
}

export function isFault(value: NewTask | Fault): value is Fault {
  return "code" in value;
}

/** 0 to 9 of a number or a name; the default where nothing was said. */
export function priorityOf(priority: number | PriorityName | undefined): number {
  if (priority === undefined) return DEFAULT_PRIORITY;
  return typeof priority === "string" ? PRIORITY_NAMES[priority] : priority;
}

/** Task over type, field by field of `retry`; the queue's settings come under both, at the shard. */
export function mergeOptions(task: TaskOptionsTold, type: TaskType): TaskOptions {
  return tidy(optionsOf(task, type));
}

/** The same with its gaps as undefined, which a text has no trace of. */
function optionsOf(task: TaskOptionsTold, type: TaskType) {
  return {
    timeoutMs: task.timeoutMs ?? type.options.timeoutMs,
    retry: mergeRetry(task.retry, type.options.retry),
    maxCrashes: task.maxCrashes,
    onCrash: task.onCrash,
    tags: task.tags !== undefined && task.tags.length > 0 ? task.tags : undefined,
    resultTtlSeconds: task.resultTtlSeconds,
    keepPayload: task.keepPayload,
    callback: callbackOf(task.callback),
  };
}

/** What decides whether it is made, and whether it runs: kept so that it can be shown. Never the key itself. */
function decidedBy({ unique, debounceSeconds, throttleSeconds, cache }: SubmittedTask) {
  const told = unique && { by: unique.by, within: unique.within, windowSeconds: unique.windowSeconds };
  return { unique: told, debounceSeconds, throttleSeconds, cacheMode: cache };
}

/** Its fields in one order, so that equal ones are equal texts. */
function callbackOf(told: SubmittedTask["callback"]): Callback | undefined {
  if (told === undefined) return undefined;
  const { url, events } = told;
  return events === undefined ? { url } : { url, events };
}

export type TaskOptionsTold = Pick<
  SubmittedTask,
  "timeoutMs" | "retry" | "maxCrashes" | "onCrash" | "tags" | "resultTtlSeconds" | "keepPayload" | "callback"
>;

/** Text of the options, null where there are none; equal options are equal texts, because their order is fixed. */
export function optionsText(
  options: { readonly [Name in keyof TaskOptions]?: TaskOptions[Name] | undefined },
): string | null {
  const text = JSON.stringify(options);
  return text === "{}" ? null : text;
}

function tellsNothing(task: SubmittedTask): boolean {
  return (
    task.timeoutMs === undefined &&
    task.retry === undefined &&
    task.tags === undefined &&
    task.maxCrashes === undefined &&
    task.onCrash === undefined &&
    task.resultTtlSeconds === undefined &&
    task.keepPayload === undefined &&
    task.callback === undefined &&
    task.unique === undefined &&
    task.debounceSeconds === undefined &&
    task.throttleSeconds === undefined &&
    task.cache === undefined
  );
}

/** Whether a task is put off by more than may be. */
export function isTooFar(runAt: number | null, now: number): boolean {
  return runAt !== null && runAt > now + MAX_DELAY_S * 1_000;
}

export const TOO_FAR: Fault = {
  code: "invalid-request",
  detail: "A task can be put off by a year at most.",
  errors: [{ pointer: "/runAt", detail: "is more than 365 days ahead" }],
};

/** Unix ms; null: at once, which the past is too. */
export function timeOf(
  task: Pick<SubmittedTask, "debounceSeconds" | "delaySeconds" | "runAt">,
  now: number,
): number | null {
  if (task.debounceSeconds !== undefined) return now + task.debounceSeconds * 1_000;
  if (task.delaySeconds !== undefined)
    return task.delaySeconds === 0 ? null : now + Math.round(task.delaySeconds * 1_000);
  if (task.runAt === undefined) return null;
  const runAt = parseTime(task.runAt);
  return runAt === null || runAt <= now ? null : runAt;
}

/** Unix ms; null: never. */
function expiryOf(task: SubmittedTask, now: number): number | null {
  if (task.ttlSeconds !== undefined) return now + Math.round(task.ttlSeconds * 1_000);
  return task.expiresAt === undefined ? null : parseTime(task.expiresAt);
}

/** The same fault, seen from further up: its pointers get `prefix`. */
export function under(prefix: string, fault: Fault): Fault {
  return { ...fault, errors: fault.errors.map((error) => ({ ...error, pointer: prefix + error.pointer })) };
}

function mergeRetry(over: TypeTold["retry"], under: TypeTold["retry"]): Partial<RetryPolicy> | undefined {
  if (over === undefined && under === undefined) return undefined;
  const retry = tidy({
    maxAttempts: over?.maxAttempts ?? under?.maxAttempts,
    backoff: over?.backoff ?? under?.backoff,
    baseMs: over?.baseMs ?? under?.baseMs,
    capMs: over?.capMs ?? under?.capMs,
    jitter: over?.jitter ?? under?.jitter,
  });
  return Object.keys(retry).length === 0 ? undefined : retry;
}

type Tidy<T> = { [Field in keyof T]?: Exclude<T[Field], undefined> };
/** Without its absent fields, as exactOptionalPropertyTypes has it. */
export function tidy<T extends object>(value: T): Tidy<T> {
  const kept: Tidy<T> = {};
  for (const field in value) {
    const told = value[field];
    if (told !== undefined) kept[field] = told as Exclude<T[Extract<keyof T, string>], undefined>;
  }
  return kept;
}
