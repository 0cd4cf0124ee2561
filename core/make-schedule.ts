/**
 * From a schedule as it is sent to the one that a Directory keeps, and back. The payload has been checked at the door
 * (`checkPayload`), whose text comes along; a PATCH is told against the schedule as it is.
 */
import { assertNever } from "./assert-never.ts";
import { cronText } from "./cron-text.ts";
import { parseRunId, type QueueName, type RunId, type TaskId } from "./ids.ts";
import { mergeOptions, optionsText, priorityOf, type TaskOptionsTold, type TaskType } from "./make-task.ts";
import { parseTime } from "./parse-time.ts";
import type { Timing } from "./schedule.ts";
import type { TaskOptions } from "./schema/rpc.ts";
import type { FireView, SchedulePatch, SchedulePut, ScheduleView } from "./schema/schedule.ts";
import type { FireRecord, ScheduleDefinition, ScheduleRecord } from "./schema/schedule-rpc.ts";
import { iso } from "./task.ts";

/** What each fire makes, checked at the door: a task of that type, or a run. Texts are JSON. */
export type Made = { readonly type: TaskType; readonly payload: string } | { readonly workflow: string };

/** @param body accepted by its schema */
export function makeDefinition(body: SchedulePut, made: Made): ScheduleDefinition {
  const timing = timingOf(body, null);
  if (timing === null) throw new TypeError("the schema lets no schedule without a time pass");
  return {
    ...("workflow" in made ? runTold(made.workflow) : taskTold(body, made.type, made.payload)),
    timing,
    missed: body.missed ?? "once",
    overlap: body.overlap ?? "allow",
    jitterSeconds: body.jitterSeconds ?? null,
    disableAfter: body.disableAfter ?? null,
    startAt: timeOf(body.startAt),
    endAt: timeOf(body.endAt),
  };
}

type Told = Omit<ScheduleDefinition, "timing" | "missed" | "startAt" | "endAt">;

function runTold(workflow: string): Told {
  const nothing = { options: null, limitKey: null, fairnessKey: null, ttlMs: null, queue: null };
  return { isWorkflow: true, type: "", version: 0, payload: workflow, priority: priorityOf(undefined), ...nothing };
}

function taskTold(body: SchedulePut, type: TaskType, payload: string): Told {
  return {
    type: body.type ?? "",
    version: type.version,
    payload,
    options: optionsText(mergeOptions(body, type)),
    priority: priorityOf(body.priority),
    limitKey: body.limitKey ?? null,
    fairnessKey: body.fairnessKey ?? null,
    ttlMs: msOf(body.ttlSeconds),
    queue: queueOf(body.queue),
  };
}

/**
 * What a PATCH changes. A new zone goes to the expression that is there; the door refuses it where there is none. Options
 * that the PATCH does not name stay, those of an earlier type too.
 * @param made null where the body says nothing of it
 */
export function makeDefinitionPatch(
  body: SchedulePatch,
  current: ScheduleRecord,
  made: Made | null,
): Partial<ScheduleDefinition> {
  const timing = timingOf(body, current.timing);
  const isMoment = timing?.kind === "at";
  return {
    ...(made && ("workflow" in made ? { payload: made.workflow } : patchTask(body, current, made))),
    ...patchPlace(body),
    ...(timing !== null && { timing }),
    ...(body.missed !== undefined && { missed: body.missed }),
    ...(body.overlap !== undefined && { overlap: body.overlap }),
    ...(body.jitterSeconds !== undefined && { jitterSeconds: body.jitterSeconds }),
    ...(body.disableAfter !== undefined && { disableAfter: body.disableAfter }),
    ...((body.startAt !== undefined || isMoment) && { startAt: timeOf(body.startAt) }),
    ...((body.endAt !== undefined || isMoment) && { endAt: timeOf(body.endAt) }),
  };
}

function patchTask(
  body: SchedulePatch,
  current: ScheduleRecord,
  { type, payload }: { readonly type: TaskType; readonly payload: string },
): Partial<ScheduleDefinition> {
  return {
    ...(body.type !== undefined && { type: body.type, version: type.version }),
    ...(body.payload !== undefined && { payload, version: type.version }),
    ...(tellsOptions(body) && { options: optionsText(mergeOptions(toldOver(body, readOptions(current)), type)) }),
  };
}

/** Whatever the type is. */
function patchPlace(body: SchedulePatch): Partial<ScheduleDefinition> {
  return {
    ...(body.priority !== undefined && { priority: priorityOf(body.priority) }),
    ...(body.limitKey !== undefined && { limitKey: body.limitKey }),
    ...(body.fairnessKey !== undefined && { fairnessKey: body.fairnessKey }),
    ...(body.ttlSeconds !== undefined && { ttlMs: msOf(body.ttlSeconds) }),
    ...(body.queue !== undefined && { queue: queueOf(body.queue) }),
  };
}

/** A schedule as its user sees it: times as RFC 3339, what it says of its tasks beside it. */
export function toScheduleView(record: ScheduleRecord): ScheduleView {
  const { lastTaskId } = record;
  return {
    id: record.id,
    ...showMade(record),
    ...showTiming(record.timing),
    missed: record.missed,
    overlap: record.overlap ?? "allow",
    ...(record.jitterSeconds && { jitterSeconds: record.jitterSeconds }),
    ...(record.disableAfter && { disableAfter: record.disableAfter }),
    startAt: show(record.startAt),
    endAt: show(record.endAt),
    paused: record.paused,
    ...(record.stopped && { stoppedReason: record.stopped }),
    nextAt: show(record.nextAt),
    lastFireAt: show(record.lastFireAt),
    lastTaskId: isRun(lastTaskId) ? null : lastTaskId,
    ...(isRun(lastTaskId) && { lastWorkflowId: lastTaskId }),
    lastStatus: record.lastStatus ?? null,
    failuresInRow: record.failuresInRow ?? 0,
    fires: record.fires,
    missedCount: record.missedCount,
    skippedCount: record.skippedCount ?? 0,
    createdAt: iso(record.createdAt),
    updatedAt: iso(record.updatedAt),
  };
}

function showMade(record: ScheduleRecord): Partial<ScheduleView> {
  const payload = JSON.parse(record.payload) as unknown;
  if (record.isWorkflow) return { workflow: payload };
  return {
    type: record.type,
    payload,
    queue: record.queue,
    priority: record.priority,
    ...(record.limitKey && { limitKey: record.limitKey }),
    ...(record.fairnessKey && { fairnessKey: record.fairnessKey }),
    ...(record.ttlMs && { ttlSeconds: record.ttlMs / 1_000 }),
    ...readOptions(record),
  };
}

/** A fire as its user sees it. */
export function toFireView({ fireAt, status, firedAt, made, endedAt, code, count, reason }: FireRecord): FireView {
  return {
    fireAt: iso(fireAt),
    status,
    ...(firedAt !== null && { firedAt: iso(firedAt) }),
    ...(made !== null && (isRun(made) ? { workflowId: made } : { taskId: made })),
    ...(endedAt !== null && { endedAt: iso(endedAt) }),
    ...(code !== null && { code }),
    ...((status === "SKIPPED" || status === "MISSED") && { count }),
    ...(reason !== null && { reason }),
  };
}

function isRun(made: TaskId | RunId | null): made is RunId {
  return made !== null && parseRunId(made) !== null;
}

type When = Pick<SchedulePatch, "cron" | "timezone" | "dst" | "everySeconds" | "at">;

/** null: the body says nothing of it. */
function timingOf(body: When, current: Timing | null): Timing | null {
  const kept = current?.kind === "cron" ? current : null;
  const isKept = body.timezone !== undefined || body.dst !== undefined;
  const cron = body.cron ?? (isKept ? kept?.cron : undefined);
  if (cron !== undefined) {
    const isBoth = (body.dst ?? kept?.dst) === "both";
    const timezone = body.timezone ?? kept?.timezone ?? "UTC";
    return { kind: "cron", cron, timezone, ...(isBoth && { dst: "both" as const }) };
  }
  if (body.everySeconds !== undefined) return { kind: "every", everySeconds: body.everySeconds };
  const at = timeOf(body.at);
  return at === null ? null : { kind: "at", at };
}

function showTiming(
  timing: Timing,
): Pick<ScheduleView, "cron" | "cronText" | "timezone" | "dst" | "everySeconds" | "at"> {
  switch (timing.kind) {
    case "cron": {
      const { cron, timezone, dst } = timing;
      const text = cronText(cron);
      return { cron, ...(text !== null && { cronText: text }), timezone, ...(dst && { dst }) };
    }
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

/** Whether it says something that is checked against the type, or merged with what that says. */
export function tellsTask(body: SchedulePatch): boolean {
  return body.type !== undefined || body.payload !== undefined || tellsOptions(body);
}

function tellsOptions(body: SchedulePatch): boolean {
  return OPTIONS.some((option) => body[option] !== undefined);
}

/** null takes an option away: then that of the type or queue counts. */
function toldOver(body: Pick<SchedulePatch, keyof TaskOptionsTold>, kept: TaskOptions): TaskOptionsTold {
  const over = <T>(told: T | null | undefined, known: T | undefined): T | undefined =>
    told === undefined ? known : (told ?? undefined);
  return {
    timeoutMs: over(body.timeoutMs, kept.timeoutMs),
    retry: over(body.retry, kept.retry),
    maxCrashes: over(body.maxCrashes, kept.maxCrashes),
    onCrash: over(body.onCrash, kept.onCrash),
    tags: over(body.tags, kept.tags && [...kept.tags]),
    resultTtlSeconds: over(body.resultTtlSeconds, kept.resultTtlSeconds),
    keepPayload: over(body.keepPayload, kept.keepPayload),
    callback: over(body.callback, kept.callback),
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
