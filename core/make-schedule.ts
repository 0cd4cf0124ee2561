/**
 * From a schedule as it is sent to the one that a Directory keeps, and back. The payload has been checked at the door
 * (`checkPayload`), whose text comes along; a PATCH is told against the schedule as it is.
 */
import { assertNever } from "./assert-never.ts";
import type { QueueName } from "./ids.ts";
import { mergeOptions, optionsText, priorityOf, type TaskOptionsTold, type TaskType } from "./make-task.ts";
import { parseTime } from "./parse-time.ts";
import type { Timing } from "./schedule.ts";
import type { TaskOptions } from "./schema/rpc.ts";
import type { SchedulePatch, SchedulePut, ScheduleView } from "./schema/schedule.ts";
import type { ScheduleDefinition, ScheduleRecord } from "./schema/schedule-rpc.ts";
import { iso } from "./task.ts";

/**
 * @param body accepted by its schema
 * @param payload JSON text of `body.payload`
 */
export function makeDefinition(body: SchedulePut, type: TaskType, payload: string): ScheduleDefinition {
  const timing = timingOf(body, null);
  if (timing === null) throw new TypeError("the schema lets no schedule without a time pass");
  return {
    type: body.type,
    version: type.version,
    payload,
    options: optionsText(mergeOptions(body, type)),
    priority: priorityOf(body.priority),
    limitKey: body.limitKey ?? null,
    fairnessKey: body.fairnessKey ?? null,
    ttlMs: msOf(body.ttlSeconds),
    queue: queueOf(body.queue),
    timing,
    missed: body.missed ?? "once",
    startAt: timeOf(body.startAt),
    endAt: timeOf(body.endAt),
  };
}

/**
 * What a PATCH changes. A new zone goes to the expression that is there; told to a schedule without one it changes
 * nothing. Options that the PATCH does not name stay, those of an earlier type too.
 * @param payload JSON text; null where the body names none
 */
export function makeDefinitionPatch(
  body: SchedulePatch,
  current: ScheduleRecord,
  type: TaskType,
  payload: string | null,
): Partial<ScheduleDefinition> {
  const timing = timingOf(body, current.timing);
  const isMoment = timing?.kind === "at";
  return {
    ...(body.type !== undefined && { type: body.type, version: type.version }),
    ...(payload !== null && { payload, version: type.version }),
    ...(tellsOptions(body) && { options: optionsText(mergeOptions(toldOver(body, readOptions(current)), type)) }),
    ...(body.priority !== undefined && { priority: priorityOf(body.priority) }),
    ...(body.limitKey !== undefined && { limitKey: body.limitKey }),
    ...(body.fairnessKey !== undefined && { fairnessKey: body.fairnessKey }),
    ...(body.ttlSeconds !== undefined && { ttlMs: msOf(body.ttlSeconds) }),
    ...(body.queue !== undefined && { queue: queueOf(body.queue) }),
    ...(timing !== null && { timing }),
    ...(body.missed !== undefined && { missed: body.missed }),
    ...((body.startAt !== undefined || isMoment) && { startAt: timeOf(body.startAt) }),
    ...((body.endAt !== undefined || isMoment) && { endAt: timeOf(body.endAt) }),
  };
}

/** A schedule as its user sees it: times as RFC 3339, what it says of its tasks beside it. */
export function toScheduleView(record: ScheduleRecord): ScheduleView {
  return {
    id: record.id,
    type: record.type,
    payload: JSON.parse(record.payload) as unknown,
    queue: record.queue,
    priority: record.priority,
    ...(record.limitKey && { limitKey: record.limitKey }),
    ...(record.fairnessKey && { fairnessKey: record.fairnessKey }),
    ...(record.ttlMs && { ttlSeconds: record.ttlMs / 1_000 }),
    ...readOptions(record),
    ...showTiming(record.timing),
    missed: record.missed,
    startAt: show(record.startAt),
    endAt: show(record.endAt),
    paused: record.paused,
    nextAt: show(record.nextAt),
    lastFireAt: show(record.lastFireAt),
    lastTaskId: record.lastTaskId,
    fires: record.fires,
    missedCount: record.missedCount,
    createdAt: iso(record.createdAt),
    updatedAt: iso(record.updatedAt),
  };
}

type When = Pick<SchedulePatch, "cron" | "timezone" | "everySeconds" | "at">;

/** null: the body says nothing of it. */
function timingOf(body: When, current: Timing | null): Timing | null {
  const kept = current?.kind === "cron" ? current : null;
  const cron = body.cron ?? (body.timezone === undefined ? undefined : kept?.cron);
  if (cron !== undefined) return { kind: "cron", cron, timezone: body.timezone ?? kept?.timezone ?? "UTC" };
  if (body.everySeconds !== undefined) return { kind: "every", everySeconds: body.everySeconds };
  const at = timeOf(body.at);
  return at === null ? null : { kind: "at", at };
}

function showTiming(timing: Timing): Pick<ScheduleView, "cron" | "timezone" | "everySeconds" | "at"> {
  switch (timing.kind) {
    case "cron":
      return { cron: timing.cron, timezone: timing.timezone };
    case "every":
      return { everySeconds: timing.everySeconds };
    case "at":
      return { at: iso(timing.at) };
    default:
      return assertNever(timing);
  }
}

function readOptions(record: ScheduleRecord): TaskOptions {
  return record.options === null ? {} : (JSON.parse(record.options) as TaskOptions);
}

const OPTIONS = [
  "timeoutMs",
  "retry",
  "maxCrashes",
  "onCrash",
  "tags",
  "resultTtlSeconds",
  "keepPayload",
  "callback",
] as const;

function tellsOptions(body: SchedulePatch): boolean {
  return OPTIONS.some((option) => body[option] !== undefined);
}

function toldOver(body: TaskOptionsTold, kept: TaskOptions): TaskOptionsTold {
  return {
    timeoutMs: body.timeoutMs ?? kept.timeoutMs,
    retry: body.retry ?? kept.retry,
    maxCrashes: body.maxCrashes ?? kept.maxCrashes,
    onCrash: body.onCrash ?? kept.onCrash,
    tags: body.tags ?? (kept.tags && [...kept.tags]),
    resultTtlSeconds: body.resultTtlSeconds ?? kept.resultTtlSeconds,
    keepPayload: body.keepPayload ?? kept.keepPayload,
    callback: body.callback ?? kept.callback,
  };
}

function queueOf(name: string | null | undefined): QueueName | null {
  return name === undefined || name === null ? null : (name as QueueName);
}

function timeOf(text: string | null | undefined): number | null {
  return text === undefined || text === null ? null : parseTime(text);
}

function msOf(seconds: number | null | undefined): number | null {
  return seconds === undefined || seconds === null ? null : Math.max(1, Math.round(seconds * 1_000));
}

function show(ms: number | null): string | null {
  return ms === null ? null : iso(ms);
}
